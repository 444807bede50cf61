//! Draining: one flag that says that it is time to finish, the tasks that are woken when it is set, and the tasks that
//! are cut off when the time is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use tokio::task::AbortHandle;

/// One worker's drain flag.
#[derive(Debug, Clone, Default)]
pub struct Drain(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    begun: Cell<bool>,
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
}

/// A task's registration for being woken when the drain begins; it ends on drop.
#[derive(Debug)]
pub struct DrainWatch {
    drain: Drain,
    slot: Option<usize>,
}

/// Tasks that may be cut off together. The registration costs them nothing while they run.
#[derive(Debug, Clone, Default)]
pub struct TaskSet(Rc<RefCell<TaskSlots>>);

#[derive(Debug, Default)]
struct TaskSlots {
    tasks: Vec<Option<AbortHandle>>,
    free: Vec<usize>,
}

/// A task's slot in the set; the task itself holds it, and frees it on drop.
#[derive(Debug)]
pub struct TaskSlot {
    tasks: TaskSet,
    at: usize,
}

impl Drain {
    /// Begins the drain: every task that watches is woken.
    pub fn begin(&self) {
        self.0.begun.set(true);
        let wakers: Vec<Waker> = self.0.wakers.borrow_mut().iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.begun.get()
    }

    /// A registration for one task.
    pub fn watch(&self) -> DrainWatch {
        DrainWatch { drain: self.clone(), slot: None }
    }
}

impl DrainWatch {
    /// Whether the drain has begun; if not, the task is woken when it does. It registers once: the waker of a task does
    /// not change while it lives on one runtime.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let inner = &self.drain.0;
        if !inner.begun.get() && self.slot.is_none() {
            let mut wakers = inner.wakers.borrow_mut();
            let slot = inner.free.borrow_mut().pop().unwrap_or_else(|| {
                wakers.push(None);
                wakers.len() - 1
            });
            wakers[slot] = Some(cx.waker().clone());
            self.slot = Some(slot);
        }
        inner.begun.get()
    }
}

impl Drop for DrainWatch {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.drain.0.wakers.borrow_mut()[slot] = None;
            self.drain.0.free.borrow_mut().push(slot);
        }
    }
}

impl TaskSet {
    /// Starts a task on this thread's runtime.
    pub fn spawn<F: Future<Output = ()> + 'static>(&self, task: impl FnOnce(TaskSlot) -> F) {
        let place = self.place();
        let at = place.at;
        // boxed, because the runtime copies a task eight times on its way to the heap and at its end. The task does not
        // run before this function returns, so its handle is stored before its slot is freed
        let handle = tokio::task::spawn_local(Box::pin(task(place))).abort_handle();
        self.0.borrow_mut().tasks[at] = Some(handle);
    }

    fn place(&self) -> TaskSlot {
        let places = &mut *self.0.borrow_mut();
        let at = places.free.pop().unwrap_or_else(|| {
            places.tasks.push(None);
            places.tasks.len() - 1
        });
        TaskSlot { tasks: self.clone(), at }
    }

    /// Handles of the tasks that run now, by which it can be seen when they have ended.
    pub fn running(&self) -> Vec<AbortHandle> {
        self.0.borrow().tasks.iter().flatten().cloned().collect()
    }

    /// Cuts all tasks off; returns how many there were.
    pub fn cut(&self) -> usize {
        let left: Vec<AbortHandle> = self.0.borrow_mut().tasks.iter_mut().filter_map(Option::take).collect();
        left.iter().for_each(AbortHandle::abort);
        left.len()
    }
}

impl Drop for TaskSlot {
    fn drop(&mut self) {
        let places = &mut *self.tasks.0.borrow_mut();
        places.tasks[self.at] = None;
        places.free.push(self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "local")]
    async fn what_has_not_ended_is_cut_off_and_counted() {
        let tasks = TaskSet::default();
        let ended = Rc::new(Cell::new(0));
        for at in 0..5 {
            let ended = Rc::clone(&ended);
            tasks.spawn(async move |_place| match at {
                0 | 3 => ended.set(ended.get() + 1),
                _ => std::future::pending().await,
            });
        }
        tokio::task::yield_now().await;
        assert_eq!((ended.get(), tasks.cut()), (2, 3));
        tokio::task::yield_now().await;
        assert_eq!(Rc::strong_count(&ended), 1, "they are gone, with all that they held");
        assert_eq!(tasks.cut(), 0);
    }

    #[tokio::test(flavor = "local")]
    async fn a_place_is_taken_again() {
        let tasks = TaskSet::default();
        for _ in 0..3 {
            tasks.spawn(async |_place| {});
            tokio::task::yield_now().await;
        }
        assert_eq!(tasks.0.borrow().tasks.len(), 1);
    }
}
