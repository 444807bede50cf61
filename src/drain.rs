//! The word that it is time to finish: one flag for a worker, and the tasks that want to be woken by it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

/// One worker's drain flag.
#[derive(Debug, Clone, Default)]
pub struct Drain(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    begun: Cell<bool>,
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
}

/// A task's place among those that are woken when the drain begins; given up on drop.
#[derive(Debug)]
pub struct Watch {
    drain: Drain,
    slot: Option<usize>,
}

impl Drain {
    /// Begins the drain: everything that watches is woken.
    pub fn begin(&self) {
        self.0.begun.set(true);
        let wakers: Vec<Waker> = self.0.wakers.borrow_mut().iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.begun.get()
    }

    /// A place for one task.
    pub fn watch(&self) -> Watch {
        Watch { drain: self.clone(), slot: None }
    }
}

impl Watch {
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

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.drain.0.wakers.borrow_mut()[slot] = None;
            self.drain.0.free.borrow_mut().push(slot);
        }
    }
}
