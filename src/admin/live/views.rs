//! Documents for those who watch. Whoever looks at the same thing watches one view, whose document is made once for all of them, about once a
//! second and only while somebody watches. What all views have in common is made, and compared with the one before, once for all views.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::document;
use super::parts::{Document, Overviews};
use super::read::{self, BackendCounters};
use crate::admin::Shared;
use crate::admin::past::Recent;
use crate::clock::Moment;
use crate::event::{Events, Level};
use crate::snapshot::Snapshot;

/// The time between two documents.
const TICK: Duration = Duration::from_secs(1);
/// How soon after trouble was told there is a document that shows it. What follows from the same trouble is mostly in it.
const SOON: Duration = Duration::from_millis(100);
/// So many documents may come early one after the other: what follows from a trouble is often told in two or three steps. Each document
/// that comes at its time allows one more, so under lasting trouble there are two a second.
const EARLY: u32 = 4;
/// How long a view is kept for somebody who asks for its document again and again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events that are looked at at a time.
const AT_ONCE: usize = 64;

/// All views.
#[derive(Debug, Default)]
pub(in crate::admin) struct Views {
    /// By the service that is looked at; `None` = the overview alone.
    views: Mutex<HashMap<Option<Arc<str>>, View>>,
    /// What the views have in common.
    overviews: Mutex<Overviews>,
    /// Notified when somebody begins to watch.
    begun: Notify,
}

/// What some look at.
#[derive(Debug)]
struct View {
    frames: watch::Sender<Frame>,
    /// When its document was asked for last, but for streams.
    asked: Moment,
    backends: Recent<BackendCounters>,
}

/// A document of a view, and what has changed since the one before.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) document: Document,
    /// The document before this one, and the patch that makes this one of it, as text of a stream; `None` = there was none.
    pub(super) change: Option<(Document, Bytes)>,
}

impl Views {
    /// The frames of a view from now on, the present one first. To be called only for a service that there is.
    pub(super) fn watch(&self, shared: &Shared, service: Option<&Arc<str>>, now: Moment) -> watch::Receiver<Frame> {
        let mut views = self.views();
        if let Some(view) = views.get_mut(&service.cloned()) {
            view.asked = now;
            return view.frames.subscribe();
        }
        let snapshot = shared.store.load();
        let mut backends = Recent::default();
        let overview = Arc::new(document::overview(&read::overview(shared, &snapshot, now)));
        let service_part = of_service(shared, &snapshot, service, &mut backends, now);
        let document = Document { overview, service: service_part };
        let (frames, receiver) = watch::channel(Frame { document, change: None });
        views.insert(service.cloned(), View { frames, asked: now, backends });
        self.begun.notify_one();
        receiver
    }

    /// Makes the documents of all views that somebody watches, and forgets the others. Returns whether somebody watches.
    pub(super) fn refresh(&self, shared: &Shared, now: Moment) -> bool {
        let mut views = self.views();
        views.retain(|_, view| view.frames.receiver_count() > 0 || now.since(view.asked) < PATIENCE);
        if views.is_empty() {
            return false;
        }
        let snapshot = shared.store.load();
        let mut overviews = self.overviews.lock().unwrap_or_else(PoisonError::into_inner);
        overviews.renew(document::overview(&read::overview(shared, &snapshot, now)));
        for (service, view) in views.iter_mut() {
            let service = of_service(shared, &snapshot, service.as_ref(), &mut view.backends, now);
            let document = Document { overview: Arc::clone(overviews.newest()), service };
            let before = view.frames.borrow().document.clone();
            if let Some(text) = overviews.patch_text(&before, &document) {
                view.frames.send_replace(Frame { document, change: Some((before, text)) });
            }
        }
        true
    }

    fn views(&self) -> MutexGuard<'_, HashMap<Option<Arc<str>>, View>> {
        // what is held is whole whatever panicked while it was held
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a document about the service of this name, while there is one.
fn of_service(
    shared: &Shared,
    snapshot: &Snapshot,
    name: Option<&Arc<str>>,
    backends: &mut Recent<BackendCounters>,
    now: Moment,
) -> Option<Arc<Value>> {
    let service = snapshot.services.iter().find(|service| name == Some(&service.name))?;
    Some(Arc::new(document::details(&read::details(shared, service, backends, now))))
}

/// Makes documents while somebody watches, for ever.
pub(in crate::admin) async fn run(shared: Arc<Shared>) {
    loop {
        shared.live.begun.notified().await;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut early_left = EARLY;
        loop {
            let is_early = due(&mut ticks, shared.store.events(), early_left > 0).await;
            if !shared.live.refresh(&shared, Moment::now()) {
                break;
            }
            early_left = if is_early { early_left - 1 } else { (early_left + 1).min(EARLY) };
        }
    }
}

/// Waits until the next documents are due: at the next tick, or (if they may come early) soon after trouble was told. Returns whether they
/// come early.
async fn due(ticks: &mut Interval, events: &Arc<Events>, may_hurry: bool) -> bool {
    let mut news = events.subscribe(None);
    let trouble = async {
        while news.next(AT_ONCE).await.events.iter().all(|event| event.kind.level() < Level::Warn) {}
        sleep(SOON).await;
    };
    tokio::select! {
        _ = ticks.tick() => false,
        () = trouble, if may_hurry => true,
    }
}
