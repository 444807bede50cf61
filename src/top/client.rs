//! The thread that asks the admin address again and again, so that the view never waits.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::api::{AdminApi, Reply};
use super::document::{Event, Live};
use super::report::{Report, Trouble, Watch};

/// The longest pause between two questions while there is no answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The pause after a refused token. An address that shows ten wrong tokens in a minute is locked out for a while, and all who ask from it.
const REFUSED: Duration = Duration::from_secs(10);

/// How many events of a backend are asked for.
const EVENTS: &str = "100";

/// The thread, and the way to say what it is to ask for. When this is dropped, the thread ends.
#[derive(Debug)]
pub struct Client {
    say: Sender<Watch>,
    thread: JoinHandle<()>,
}

impl Client {
    /// Starts the thread. It asks once in `interval`, and gives what it hears to `tell` until that says that nobody listens.
    ///
    /// # Errors
    ///
    /// The system has no thread for it.
    pub fn start(
        api: Arc<dyn AdminApi>,
        interval: Duration,
        tell: impl Fn(Report) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (say, said) = mpsc::channel();
        let name = "top-client".to_owned();
        let thread = thread::Builder::new().name(name).spawn(move || ask_on(&*api, interval, &said, tell))?;
        Ok(Self { say, thread })
    }

    /// Says what to ask for from now on, and that it is to be asked at once.
    pub fn watch(&self, watch: Watch) {
        // where the thread has ended, `has_ended` says so
        let _ = self.say.send(watch);
    }

    /// Whether nothing is asked any more, because the thread has panicked.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

fn ask_on(api: &dyn AdminApi, interval: Duration, said: &Receiver<Watch>, tell: impl Fn(Report) -> bool) {
    let mut watch = Watch::default();
    let mut failures = 0;
    loop {
        let began = Instant::now();
        let report = look(api, &watch);
        let trouble = match &report {
            Report::Trouble(trouble) => Some(trouble),
            _ => None,
        };
        failures = if trouble.is_some() { failures + 1 } else { 0 };
        let until = began + pause(interval, failures, trouble);
        let is_refused = matches!(trouble, Some(Trouble::Unauthorised(_)));
        if !tell(report) || !wait(said, &mut watch, until, is_refused) {
            return;
        }
    }
}

/// Waits until it is time for the next question, or (unless that `must_pass`) until another one is wanted. Whether somebody still listens.
fn wait(said: &Receiver<Watch>, watch: &mut Watch, until: Instant, must_pass: bool) -> bool {
    loop {
        match said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(wanted) => *watch = said.try_iter().last().unwrap_or(wanted),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        if !must_pass {
            return true;
        }
    }
}

/// From the beginning of one question to that of the next: twice as long after each failure.
fn pause(interval: Duration, failures: u32, trouble: Option<&Trouble>) -> Duration {
    let longest = LONGEST_PAUSE.max(interval);
    match trouble {
        None => interval,
        Some(Trouble::Unauthorised(_)) => REFUSED.max(interval),
        Some(Trouble::Failed(_)) => interval.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest),
    }
}

fn look(api: &dyn AdminApi, watch: &Watch) -> Report {
    match live(api, watch) {
        // where the document came, events that don't are no reason to show nothing
        Ok(live) => Report::Answer {
            watch: watch.clone(),
            live: Box::new(live),
            events: events(api, watch).unwrap_or_default(),
            why: why(api, watch).unwrap_or_default(),
        },
        Err(trouble) => Report::Trouble(trouble),
    }
}

fn live(api: &dyn AdminApi, watch: &Watch) -> Result<Live, Trouble> {
    let query: Vec<_> = watch.service.iter().map(|service| ("service", &**service)).collect();
    let mut reply = api.ask(&["live"], &query, None).map_err(Trouble::Failed)?;
    if reply.status == 404 && watch.service.is_some() {
        // the service is gone; the others are not
        reply = api.ask(&["live"], &[], None).map_err(Trouble::Failed)?;
    }
    read(reply)
}

fn read(reply: Reply) -> Result<Live, Trouble> {
    match reply.status {
        200 => Live::read(reply.body).map_err(Trouble::Failed),
        404 => Err(Trouble::Failed(format!("{} (404): is it an older Evenkeel?", reply.detail()))),
        401 => Err(Trouble::Unauthorised(reply.detail().to_owned())),
        status => Err(Trouble::Failed(format!("{} ({status})", reply.detail()))),
    }
}

fn events(api: &dyn AdminApi, watch: &Watch) -> Option<Vec<Event>> {
    let (service, backend) = (watch.service.as_deref()?, watch.backend.as_deref()?);
    let query = [("service", service), ("backend", backend), ("limit", EVENTS)];
    let Value::Array(all) = api.ask(&["events"], &query, None).ok()?.success().ok()? else { return None };
    // the answer has the oldest first
    Some(all.into_iter().rev().filter_map(|event| serde_json::from_value(event).ok()).collect())
}

/// Why the backend is in its state. An older process does not say.
fn why(api: &dyn AdminApi, watch: &Watch) -> Option<Vec<String>> {
    let (service, backend) = (watch.service.as_deref()?, watch.backend.as_deref()?);
    let answer = api.ask(&["why"], &[("service", service), ("backend", backend)], None).ok()?.success().ok()?;
    serde_json::from_value(answer.get("text")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;

    /// Answers each target from a list, and keeps what it was asked.
    struct Script(Vec<(&'static str, Result<Reply, String>)>, Mutex<Vec<String>>);

    impl Script {
        fn new(answers: Vec<(&'static str, Result<Reply, String>)>) -> Self {
            Self(answers, Mutex::default())
        }
    }

    impl AdminApi for Script {
        fn ask(&self, path: &[&str], query: &[(&str, &str)], _: Option<&Value>) -> Result<Reply, String> {
            let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let target = format!("{}?{}", path.join("/"), query.join("&"));
            self.1.lock().unwrap().push(target.clone());
            let known = self.0.iter().find(|(known, _)| *known == target);
            known.map_or_else(|| Err(format!("nothing at {target}")), |(_, answer)| answer.clone())
        }
    }

    fn reply(status: u16, body: Value) -> Result<Reply, String> {
        Ok(Reply { status, body })
    }

    fn backend() -> Watch {
        Watch { service: Some("api".to_owned()), backend: Some("a".to_owned()) }
    }

    #[test]
    fn a_backend_is_asked_for_with_its_events_the_newest_first() {
        let all = json!([{ "text": "old" }, { "text": "new" }]);
        let script = Script::new(vec![
            ("live?service=api", reply(200, json!({ "services": { "api": {} } }))),
            ("events?service=api&backend=a&limit=100", reply(200, all)),
            ("why?service=api&backend=a", reply(200, json!({ "text": ["api/a is down.", "It is checked."] }))),
        ]);
        let Report::Answer { watch, live, events, why } = look(&script, &backend()) else { panic!() };
        assert_eq!((watch, live.services.0.len()), (backend(), 1));
        assert_eq!(why, ["api/a is down.", "It is checked."]);
        assert_eq!(events.iter().map(|event| &*event.text).collect::<Vec<_>>(), ["new", "old"]);
    }

    #[test]
    fn when_the_service_is_gone_the_others_are_still_shown() {
        let script = Script::new(vec![
            ("live?service=api", reply(404, json!({}))),
            ("live?", reply(200, json!({ "services": {} }))),
        ]);
        assert!(matches!(look(&script, &backend()), Report::Answer { .. }));
    }

    #[test]
    fn a_refused_token_and_other_trouble_are_told_apart() {
        let trouble = |answer| match look(&Script::new(vec![("live?", answer)]), &Watch::default()) {
            Report::Trouble(trouble) => trouble,
            other => panic!("{other:?}"),
        };
        let refused = trouble(reply(401, json!({ "detail": "no token" })));
        assert_eq!(refused, Trouble::Unauthorised("no token".to_owned()));
        assert_eq!(trouble(reply(503, json!({ "detail": "wait" }))), Trouble::Failed("wait (503)".to_owned()));
        assert_eq!(trouble(Err("refused".to_owned())), Trouble::Failed("refused".to_owned()));
    }

    #[test]
    fn the_pause_doubles_from_failure_to_failure_up_to_ten_seconds() {
        let failed = Trouble::Failed(String::new());
        let pauses: Vec<_> =
            (1..=6).map(|failures| pause(Duration::from_secs(1), failures, Some(&failed)).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        assert_eq!(pause(Duration::from_secs(1), 0, None).as_secs(), 1);
        assert_eq!(pause(Duration::from_secs(60), 40, Some(&failed)).as_secs(), 60);
    }

    #[test]
    fn a_wrong_token_is_shown_less_than_ten_times_a_minute() {
        let refused = Trouble::Unauthorised(String::new());
        assert!(pause(Duration::from_millis(200), 1, Some(&refused)).as_secs() >= 7);
        // neither does a key that opens something make it ask earlier
        let (say, said) = mpsc::channel();
        say.send(backend()).unwrap();
        let mut watch = Watch::default();
        let until = Instant::now() + Duration::from_millis(50);
        assert!(wait(&said, &mut watch, until, true) && Instant::now() >= until);
        assert_eq!(watch, backend());
    }

    #[test]
    fn what_is_opened_is_asked_for_at_once() {
        let (say, said) = mpsc::channel();
        let (mut watch, far) = (Watch::default(), Instant::now() + Duration::from_secs(3600));
        say.send(Watch::default()).unwrap();
        say.send(backend()).unwrap();
        assert!(wait(&said, &mut watch, far, false));
        assert_eq!(watch, backend());
        drop(say);
        assert!(!wait(&said, &mut watch, far, false));
    }

    #[test]
    fn the_thread_ends_when_nobody_listens() {
        let script = Script::new(vec![("live?", reply(200, json!({ "services": {} })))]);
        let (_say, said) = mpsc::channel();
        ask_on(&script, Duration::from_secs(3600), &said, |_| false);
        assert_eq!(*script.1.lock().unwrap(), ["live?"]);
    }
}
