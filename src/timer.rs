//! Coarse time-outs for one worker: no clock read, no timer entry and no lock per event.
//!
//! A task moves a counter forward every [`TICK`]. Arming a time-out is a write to a slot, and only a task that really
//! waits leaves its waker there. At each tick all slots are looked through: a time-out costs nothing when it does not
//! expire, which is nearly always, and the scan takes a few nanoseconds for a slot (50,000 waiting connections: about
//! 0.1 ms in each 20 ms). When nothing is armed the ticking task sleeps. A time-out is never early and at most two
//! ticks late.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The resolution of every time-out of the data plane.
pub const TICK: Duration = Duration::from_millis(20);
const TICK_NANOS: u64 = TICK.subsec_nanos() as u64;
const TICKS_PER_SECOND: u64 = 1_000_000_000 / TICK_NANOS;

/// How often all who wait for a time-out were told to look.
static LOOKS: AtomicU64 = AtomicU64::new(0);

/// Makes all tasks that wait for a time-out look, on every worker, within a tick: something that they wait for may have changed. For what is rare
/// and concerns many.
pub fn wake_all() {
    LOOKS.fetch_add(1, Ordering::Relaxed);
}

/// The time-outs of one worker.
#[derive(Debug, Clone)]
pub struct Timers(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    tick: Cell<u64>,
    /// The value of [`LOOKS`] at the last tick.
    looks: Cell<u64>,
    slots: RefCell<Slots>,
    /// How many slots have a waker: while none has, the ticking task sleeps.
    waiting: Cell<usize>,
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot {
    due: u64,
    waker: Option<Waker>,
}

/// The tick at which an alarm rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(u64);

/// One time-out that can be armed again and again.
#[derive(Debug)]
pub struct Alarm {
    timers: Timers,
    due: u64,
    slot: Option<usize>,
}

impl Timers {
    /// Time-outs that stand still until [`run`](Self::run) is polled.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            start: Instant::now(),
            tick: Cell::new(0),
            looks: Cell::new(LOOKS.load(Ordering::Relaxed)),
            slots: RefCell::default(),
            waiting: Cell::new(0),
            wanted: Notify::new(),
        }))
    }

    /// Moves the time-outs on, for ever. To be spawned once on the worker.
    pub async fn run(self) {
        loop {
            if self.0.waiting.get() == 0 {
                self.0.wanted.notified().await;
            }
            tokio::time::sleep(TICK).await;
            self.advance();
        }
    }

    /// Runs `future` for at most `limit`; `None` when it was not ready by then.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut alarm = Alarm::new(self, limit);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => alarm.poll(cx).map(|()| None),
        })
        .await
    }

    /// Ticks since the worker started: a clock that costs a memory read.
    pub fn now(&self) -> u64 {
        if self.0.waiting.get() == 0 {
            self.refresh();
        }
        self.0.tick.get()
    }

    /// Whether an alarm with this deadline has rung.
    pub fn is_over(&self, deadline: Deadline) -> bool {
        self.0.tick.get() >= deadline.0
    }

    fn refresh(&self) {
        let elapsed = self.0.start.elapsed();
        self.0.tick.set(elapsed.as_secs() * TICKS_PER_SECOND + u64::from(elapsed.subsec_nanos()) / TICK_NANOS);
    }

    fn advance(&self) {
        self.refresh();
        let now = self.0.tick.get();
        let looks = LOOKS.load(Ordering::Relaxed);
        let all_look = self.0.looks.replace(looks) != looks;
        let mut due = Vec::new();
        for slot in &mut self.0.slots.borrow_mut().slots {
            if (slot.due <= now || all_look) && slot.waker.is_some() {
                due.extend(slot.waker.take());
            }
        }
        self.0.waiting.set(self.0.waiting.get() - due.len());
        due.into_iter().for_each(Waker::wake);
    }

    fn due(&self, after: Duration) -> u64 {
        // calculated in 64 bits: a division of 128 bits costs more than the rest of this
        let within_second = u64::from(after.subsec_nanos()).div_ceil(TICK_NANOS);
        let ticks = after.as_secs().saturating_mul(TICKS_PER_SECOND).saturating_add(within_second);
        self.now().saturating_add(ticks).saturating_add(1)
    }
}

impl Alarm {
    /// An alarm that rings `after` from now.
    pub fn new(timers: &Timers, after: Duration) -> Self {
        Self { timers: timers.clone(), due: timers.due(after), slot: None }
    }

    /// Arms it anew: it rings `after` from now.
    pub fn set(&mut self, after: Duration) {
        self.due = self.timers.due(after);
        if let Some(key) = self.slot {
            self.timers.0.slots.borrow_mut().slots[key].due = self.due;
        }
    }

    /// When it rings, as it is armed now.
    pub fn deadline(&self) -> Deadline {
        Deadline(self.due)
    }

    /// Ready once it has rung; until then the task is woken when it does.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &*self.timers.0;
        if inner.tick.get() >= self.due {
            return Poll::Ready(());
        }
        let mut slots = inner.slots.borrow_mut();
        let slots = &mut *slots;
        let key = *self.slot.get_or_insert_with(|| slots.take());
        let slot = &mut slots.slots[key];
        slot.due = self.due;
        match &slot.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            Some(_) => slot.waker = Some(cx.waker().clone()),
            None => {
                slot.waker = Some(cx.waker().clone());
                inner.waiting.set(inner.waiting.get() + 1);
                if inner.waiting.get() == 1 {
                    inner.wanted.notify_one();
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(key) = self.slot else { return };
        let inner = &*self.timers.0;
        let mut slots = inner.slots.borrow_mut();
        if slots.slots[key].waker.take().is_some() {
            inner.waiting.set(inner.waiting.get() - 1);
        }
        slots.free.push(key);
    }
}

impl Slots {
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { due: u64::MAX, waker: None });
            self.slots.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rings_after_its_time_and_never_before() {
        let timers = Timers::new();
        let ticking = timers.clone().run();
        let waiting = async {
            let start = Instant::now();
            assert_eq!(timers.within(Duration::from_millis(105), std::future::pending::<()>()).await, None);
            let took = start.elapsed();
            assert!(took >= Duration::from_millis(105), "{took:?}");
            assert!(took <= Duration::from_millis(105) + 3 * TICK, "{took:?}");
        };
        tokio::select! { () = ticking => {}, () = waiting => {} }
    }

    #[tokio::test(start_paused = true)]
    async fn arming_again_puts_it_off_and_a_dropped_alarm_leaves_nothing() {
        let timers = Timers::new();
        let ticking = timers.clone().run();
        let waiting = async {
            let mut alarm = Alarm::new(&timers, Duration::from_millis(100));
            let start = Instant::now();
            assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx))).await.is_pending());
            tokio::time::sleep(Duration::from_millis(80)).await;
            alarm.set(Duration::from_millis(100));
            poll_fn(|cx| alarm.poll(cx)).await;
            assert!(start.elapsed() >= Duration::from_millis(180));
            drop(alarm);
            assert_eq!(timers.0.waiting.get(), 0);
            assert_eq!(timers.0.slots.borrow().free.len(), 1);
        };
        tokio::select! { () = ticking => {}, () = waiting => {} }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_can_be_made_to_look_without_being_told_that_their_time_is_over() {
        let timers = Timers::new();
        let ticking = timers.clone().run();
        let looks = Cell::new(0);
        let waiting = async {
            let mut alarm = Alarm::new(&timers, Duration::from_secs(100));
            tokio::time::timeout(
                Duration::from_secs(1),
                poll_fn(|cx| {
                    looks.set(looks.get() + 1);
                    if looks.get() == 1 {
                        wake_all();
                    }
                    alarm.poll(cx)
                }),
            )
            .await
            .unwrap_err();
        };
        tokio::select! { () = ticking => {}, () = waiting => {} }
        // once at first and once when woken, and by the end of the test; other tests may wake all as well
        assert!(looks.get() >= 3, "{}", looks.get());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_in_time_is_given_back() {
        let timers = Timers::new();
        assert_eq!(timers.within(Duration::from_millis(1), async { 7 }).await, Some(7));
    }
}
