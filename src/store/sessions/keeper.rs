//! The keeper of a store: connects, sends, and finds out whether workers may ask.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::connect::{Connection, Target};
use super::super::outage::Outage;
use super::super::trial::Trial;
use super::LAST_WRITES;
use super::backlog::Backlog;
use super::pipeline::{Batch, Broken, Report};
use super::refusals::Refusals;
use crate::affinity::shared::{LinkState, Message};
use crate::clock::Moment;
use crate::metrics::names;

/// The pause after a connection that was not made or that broke; it doubles up to the greatest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often a store is asked whether it is well: while it is, and while it is not.
const PROBE: Duration = Duration::from_secs(1);
const PROBE_DOWN: Duration = Duration::from_millis(100);
/// Messages that go into one batch.
const MOST: usize = 256;
/// Batches whose answers are waited for at the same time.
const AT_ONCE: usize = 64;
/// For so long, and for so many of its time limits, it may be in doubt how a store is before that is told. On a busy machine a moment without a
/// processor makes many answers late at once, and says nothing of the store.
const PATIENCE: (Duration, u32) = (Duration::from_millis(100), 2);

/// Keeps one store, on a thread of its own.
pub(super) struct Keeper {
    target: Arc<Target>,
    state: Arc<LinkState>,
    messages: mpsc::Receiver<Message>,
    stopped: watch::Receiver<bool>,
    outage: Outage,
    refusals: Refusals,
    backlog: Backlog,
    trial: Trial,
    /// An answer was late, so that nobody asks, and it is not known yet how the store is. Until then it is waited with telling that.
    doubt: Option<Instant>,
    counted: Counted,
}

/// What the keeper counts.
struct Counted {
    up: Gauge,
    queue: Gauge,
    written: Counter,
    known: Counter,
    refused: Counter,
    dropped: Counter,
}

/// A connection in use.
struct Open {
    connection: Connection,
    batches: JoinSet<Result<Report, Broken>>,
    /// A probe is under way.
    probing: bool,
    probe_at: Instant,
    /// How many batches were sent.
    sent: u64,
}

/// Why a connection is not used any more.
enum End {
    /// Nobody needs the store any more.
    Over,
    /// It broke, for this reason.
    Broken(String),
}

impl Keeper {
    /// Keeps the store at `target`; as many bytes may wait for it.
    pub fn new(
        target: Target,
        queue: usize,
        state: Arc<LinkState>,
        (messages, stopped): (mpsc::Receiver<Message>, watch::Receiver<bool>),
        outage: Outage,
    ) -> Self {
        let counted = Counted::of(state.name());
        let (target, backlog, trial) = (Arc::new(target), Backlog::new(queue), Trial::default());
        let refusals = Refusals::new(state.name());
        Self { target, state, messages, stopped, outage, refusals, backlog, trial, doubt: None, counted }
    }

    /// Keeps it until nobody needs it any more, or the process stops.
    pub async fn run(mut self) {
        let mut pause = PAUSE;
        loop {
            let target = Arc::clone(&self.target);
            let reason = match self.meanwhile(async move { target.connect().await }).await {
                None => return,
                Some(Err(reason)) => reason,
                Some(Ok(connection)) => match self.keep(connection, &mut pause).await {
                    End::Over => return,
                    End::Broken(reason) => reason,
                },
            };
            self.is_down(&reason);
            if self.meanwhile(sleep(pause)).await.is_none() {
                return;
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Waits for something, and sets aside what comes meanwhile. `None` = nobody needs the store any more.
    async fn meanwhile<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                done = &mut wait => return Some(done),
                message = self.messages.recv() => self.set_aside(message?),
                _ = self.stopped.changed() => return None,
            }
        }
    }

    /// Uses a connection until it breaks.
    async fn keep(&mut self, connection: Connection, pause: &mut Duration) -> End {
        let mut open = Open { connection, batches: JoinSet::new(), probing: false, probe_at: Instant::now(), sent: 0 };
        let (mut came, mut broken) = (Vec::with_capacity(MOST), Vec::new());
        let end = loop {
            if !open.probing && open.probe_at <= Instant::now() {
                self.probe(&mut open);
            }
            let state = Arc::clone(&self.state);
            tokio::select! {
                Some(done) = open.batches.join_next(), if !open.batches.is_empty() => match done {
                    Ok(Ok(report)) => self.note(&mut open, report, pause),
                    Ok(Err(first)) => {
                        let reason = first.reason.clone();
                        broken.push(first);
                        break End::Broken(reason);
                    }
                    Err(panic) => break End::Broken(format!("a defect: {panic}")),
                },
                // one that nothing is sent over would tell it to the next who asks otherwise, and that may be after the store is back
                () = open.connection.closed() => break End::Broken("it has closed the connection".to_owned()),
                count = self.messages.recv_many(&mut came, MOST), if open.batches.len() < AT_ONCE || !state.is_up() => match count {
                    0 => break End::Over,
                    _ => self.take(&mut open, &mut came),
                },
                () = state.doubted() => self.begin_doubt(&mut open),
                () = sleep_until(self.doubt.unwrap_or(open.probe_at)), if self.doubt.is_some() => {
                    let [limit, patience] = [self.state.time_limit(), self.patience()].map(|time| time.as_secs_f64() * 1e3);
                    self.is_down(&format!("its answers have taken longer than {limit} ms for {patience} ms"));
                }
                () = sleep_until(open.probe_at), if !open.probing => {}
                _ = self.stopped.changed() => break End::Over,
            }
        };
        if matches!(end, End::Over) {
            self.write_the_rest(&mut open).await;
        }
        // what waits for answers has them now: none
        open.connection.close();
        while let Some(done) = open.batches.join_next().await {
            broken.extend(done.ok().and_then(Result::err));
        }
        self.put_back(broken);
        end
    }

    /// Sends what has come, or sets it aside while workers are told not to ask: then it may be long until there is an answer.
    fn take(&mut self, open: &mut Open, came: &mut Vec<Message>) {
        if !self.state.is_up() {
            came.drain(..).for_each(|message| self.set_aside(message));
            return;
        }
        let mut batch = Batch::default();
        for message in came.drain(..) {
            match message {
                Message::Ask(question) => batch.ask(question),
                Message::Write(write) => batch.write(write),
            }
        }
        open.send(batch);
    }

    fn set_aside(&mut self, message: Message) {
        // a question is dropped: whoever asks decides without an answer
        if let Message::Write(write) = message {
            self.counted.dropped.increment(self.backlog.add(write));
        }
        self.show_backlog();
    }

    /// Writes a part of what waits, and finds out how long an answer takes.
    fn probe(&mut self, open: &mut Open) {
        let mut batch = Batch::default();
        self.backlog.take(MOST).into_iter().for_each(|write| batch.write(write));
        batch.probe();
        open.probing = true;
        open.send(batch);
        self.show_backlog();
    }

    /// Counts in series that are shown: they were removed if no configuration named the store for a while.
    fn count_where_it_is_shown(&mut self) {
        if self.state.take_named_anew() {
            self.counted = Counted::of(self.state.name());
            self.counted.up.set(if self.state.is_up() { 1.0 } else { 0.0 });
        }
    }

    /// Takes note of what came of a batch.
    fn note(&mut self, open: &mut Open, report: Report, pause: &mut Duration) {
        self.count_where_it_is_shown();
        self.counted.written.increment(report.written);
        self.counted.known.increment(report.known);
        self.counted.refused.increment(report.refused);
        if report.refusal.is_some() || report.written > 0 {
            self.refusals.note(&self.state, report.refusal, !self.outage.is_told());
        }
        open.connection.unread.store(0, Relaxed);
        let in_time = report.took <= self.state.time_limit();
        if !report.to_renew.is_empty() {
            let mut batch = Batch::default();
            report.to_renew.iter().for_each(|(name, seconds)| batch.renew(name, *seconds));
            open.send(batch);
        }
        if !report.is_probe {
            return;
        }
        open.probing = false;
        let is_up = self.state.is_up();
        // what waited may take long without anything being wrong
        if is_up && report.is_pure_probe && !in_time {
            self.state.was_late();
        } else if !is_up {
            self.trial.answered(in_time);
        }
        // new sessions may come all the while. What has come by now is sent before the first question is, and so is done before it
        let is_well = if self.doubt.is_some() { in_time } else { self.trial.is_passed() };
        if !is_up && is_well && self.backlog.len() <= MOST {
            let mut rest = Batch::default();
            self.backlog.take(MOST).into_iter().for_each(|write| rest.write(write));
            if !rest.is_empty() {
                open.send(rest);
            }
            self.show_backlog();
            self.is_up();
            *pause = PAUSE;
        }
        let wait = match is_up {
            _ if !self.backlog.is_empty() => Duration::ZERO,
            true => PROBE,
            false if self.doubt.is_some() || self.trial.is_quick() => Duration::ZERO,
            false => PROBE_DOWN,
        };
        open.probe_at = Instant::now() + wait;
    }

    /// An answer was late. Until the store is known to be well, or not, nobody waits for it.
    fn begin_doubt(&mut self, open: &mut Open) {
        if !self.outage.is_told() && self.doubt.is_none() {
            self.doubt = Some(Instant::now() + self.patience());
            self.counted.up.set(0.0);
            open.probe_at = Instant::now();
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE.0.max(self.state.time_limit() * PATIENCE.1)
    }

    fn is_up(&mut self) {
        self.state.set_up(true);
        if self.doubt.take().is_none() {
            self.trial.up(Moment::now());
        }
        self.counted.up.set(1.0);
        self.state.set_trouble(self.refusals.trouble());
        self.outage.is_over();
    }

    fn is_down(&mut self, reason: &str) {
        self.count_where_it_is_shown();
        self.state.set_up(false);
        self.doubt = None;
        self.trial.down(Moment::now());
        self.counted.up.set(0.0);
        self.state.set_trouble(Some(reason.to_owned()));
        self.outage.began(reason);
    }

    /// Puts back what batches were to write: the newest one first, because what waits for a session already is newer than what is put back.
    fn put_back(&mut self, mut broken: Vec<Broken>) {
        broken.sort_by_key(|batch| std::cmp::Reverse(batch.number));
        let writes = broken.into_iter().flat_map(|batch| batch.writes.into_iter().rev());
        let dropped = writes.map(|write| self.backlog.put_back(write)).sum();
        self.counted.dropped.increment(dropped);
        self.show_backlog();
    }

    fn show_backlog(&mut self) {
        self.counted.dropped.increment(self.state.take_lost());
        self.counted.queue.set(self.backlog.bytes() as f64);
        self.state.set_backlog(self.backlog.bytes());
    }

    /// Writes what waits when the store is not needed any more, for [`LAST_WRITES`] at most.
    async fn write_the_rest(&mut self, open: &mut Open) {
        while let Ok(message) = self.messages.try_recv() {
            self.set_aside(message);
        }
        let mut batch = Batch::default();
        self.backlog.take(usize::MAX).into_iter().for_each(|write| batch.write(write));
        batch.probe();
        open.send(batch);
        let all = async { while open.batches.join_next().await.is_some() {} };
        // what it has not taken by then the other instances decide anew
        let _ = timeout(LAST_WRITES, all).await;
    }
}

impl Open {
    fn send(&mut self, mut batch: Batch) {
        self.sent += 1;
        batch.number = self.sent;
        self.batches.spawn_local(batch.send(self.connection.commands.clone()));
    }
}

impl Counted {
    fn of(store: &str) -> Self {
        let writes = |outcome: &'static str| counter!(names::SESSION_STORE_WRITES.name, "store" => store.to_owned(), "outcome" => outcome);
        Self {
            up: gauge!(names::SESSION_STORE_UP.name, "store" => store.to_owned()),
            queue: gauge!(names::SESSION_STORE_QUEUE.name, "store" => store.to_owned()),
            written: writes("written"),
            known: writes("known"),
            refused: writes("refused"),
            dropped: writes("dropped"),
        }
    }
}
