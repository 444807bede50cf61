use std::sync::{Arc, Mutex};

use tokio::net::UnixStream;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::ObjectPath;
use zbus::{fdo, interface};

use super::*;

/// What was asked of the systemd of a test, in order.
type Log = Arc<Mutex<Vec<String>>>;

/// A systemd that ends each job as it was told, or not at all.
struct Systemd {
    log: Log,
    result: Option<&'static str>,
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn subscribe(&self) {
        self.log.lock().unwrap().push("subscribe".to_owned());
    }

    async fn restart_unit(
        &self,
        name: &str,
        mode: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> fdo::Result<OwnedObjectPath> {
        self.log.lock().unwrap().push(format!("restart {name} {mode}"));
        if name == "unknown.service" {
            return Err(fdo::Error::Failed("Unit unknown.service not found.".to_owned()));
        }
        let job = |path| ObjectPath::from_static_str(path).unwrap();
        let ours = job("/org/freedesktop/systemd1/job/7");
        // somebody else's job ends first, and ours before the answer to who asked for it
        Self::job_removed(&emitter, 6, job("/org/freedesktop/systemd1/job/6"), "other.service", "failed").await?;
        if let Some(result) = self.result {
            Self::job_removed(&emitter, 7, ours.clone(), name, result).await?;
        }
        Ok(ours.into())
    }

    fn get_unit(&self, _name: &str) -> OwnedObjectPath {
        ObjectPath::from_static_str("/org/freedesktop/systemd1/unit/api").unwrap().into()
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: ObjectPath<'_>,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
}

struct Job(Log);

#[interface(name = "org.freedesktop.systemd1.Job")]
impl Job {
    fn cancel(&self) {
        self.0.lock().unwrap().push("cancel".to_owned());
    }
}

struct Unit;

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn active_state(&self) -> &str {
        "failed"
    }

    #[zbus(property)]
    fn sub_state(&self) -> &str {
        "failed"
    }
}

struct Service;

#[interface(name = "org.freedesktop.systemd1.Service")]
impl Service {
    #[zbus(property)]
    fn result(&self) -> &str {
        "exit-code"
    }
}

/// Restarts a unit by a systemd at the other end of a socket; what it came to, and what was asked.
async fn restart_by(result: Option<&'static str>, unit: &str, told_to_end: bool) -> (ActReport, Vec<String>) {
    let log = Log::default();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let systemd = async {
        let builder = connection::Builder::unix_stream(theirs).server(zbus::Guid::generate()).unwrap().p2p();
        let builder = builder.serve_at(MANAGER_PATH, Systemd { log: Arc::clone(&log), result }).unwrap();
        let builder = builder.serve_at("/org/freedesktop/systemd1/job/7", Job(Arc::clone(&log))).unwrap();
        let builder = builder.serve_at("/org/freedesktop/systemd1/unit/api", Unit).unwrap();
        builder.serve_at("/org/freedesktop/systemd1/unit/api", Service).unwrap().build().await.unwrap()
    };
    let client = connection::Builder::unix_stream(ours).p2p().build();
    let (_systemd, client) = tokio::join!(systemd, client);
    let (keep, cancel) = oneshot::channel();
    let keep = (!told_to_end).then_some(keep);
    let report = run(async { client }, unit, Duration::from_secs(60), cancel).await;
    drop(keep);
    let log = log.lock().unwrap().clone();
    (report, log)
}

#[tokio::test]
async fn a_restart_is_done_when_its_job_is_and_not_when_anothers_is() {
    let (report, log) = restart_by(Some("done"), "api.service", false).await;
    assert!(report.ok, "{report:?}");
    assert_eq!(report.what, "restart of the unit api.service");
    assert_eq!(log, ["subscribe", "restart api.service replace"]);
}

#[tokio::test]
async fn a_job_that_fails_is_told_with_the_state_of_the_unit() {
    let (report, _) = restart_by(Some("failed"), "api.service", false).await;
    assert_eq!(report.error, "systemd's job ended as `failed`; the unit is failed (failed, result `exit-code`)");
    assert!(!report.ok);
}

#[tokio::test]
async fn a_unit_that_systemd_does_not_know_is_told_in_its_words() {
    let (report, _) = restart_by(Some("done"), "unknown.service", false).await;
    assert!(report.error.starts_with("systemd does not restart it: "), "{}", report.error);
    assert!(report.error.ends_with("Unit unknown.service not found."), "{}", report.error);
}

#[tokio::test]
async fn a_restart_that_is_told_to_end_is_cancelled() {
    let (report, log) = restart_by(None, "api.service", true).await;
    assert_eq!(report.error, "the restart was told to end and was cancelled");
    assert_eq!(log, ["subscribe", "restart api.service replace", "cancel"]);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_does_not_answer_ends_with_the_time_out() {
    let (_keep, cancel) = oneshot::channel();
    let report = run(std::future::pending(), "api.service", Duration::from_secs(30), cancel).await;
    assert_eq!(report.error, "connecting to the system's D-Bus did not end within 30 s");
    assert_eq!(report.took_ms, 30_000);
}

#[tokio::test]
async fn a_bus_that_is_missing_is_told() {
    let (_keep, cancel) = oneshot::channel();
    let bus = async { connection::Builder::address("unix:path=/no/such/socket")?.build().await };
    let report = run(bus, "api.service", Duration::from_secs(30), cancel).await;
    assert!(report.error.starts_with("the system's D-Bus can't be reached: "), "{}", report.error);
}
