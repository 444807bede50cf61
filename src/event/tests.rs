use std::collections::HashSet;
use std::time::Duration;

use super::kind::recovery::{Given, Held};
use super::*;
use crate::canary::Change;
use crate::clock::Stamp;
use crate::detect::fault::{self, Detector, Fault, Verdict, Vote};
use crate::endpoint::state::{DecidedBy, State};
use crate::metrics::{Format, Readings, Registry};
use crate::recover::attempt::ActReport;
use crate::recover::{Attempt, Outcome};
use crate::sla::burn::{Alert, AlertChange, Lookback, Measure, Severity};
use crate::sla::{Cause, CauseKind, Incident};

fn canary(change: Change) -> Kind {
    Kind::Canary(CanaryChange { stable: "api".to_owned(), change })
}

fn panic_began(available: usize) -> Kind {
    Kind::PanicBegan { available, total: available }
}

fn tell(events: &Events, from: usize, to: usize) {
    (from..to).for_each(|at| events.tell(Subject::service(&"api".into()), panic_began(at)));
}

fn told(batch: &Batch) -> Vec<usize> {
    let available = |event: &Arc<Event>| match event.kind {
        Kind::PanicBegan { available, .. } => available,
        _ => usize::MAX,
    };
    batch.events.iter().map(available).collect()
}

#[test]
fn who_asks_for_what_came_since_gets_that_in_its_order() {
    let events = Events::beginning_with(100);
    assert_eq!(events.since(0, 10), Batch::default());
    tell(&events, 0, 5);
    assert_eq!(told(&events.since(0, 10)), [0, 1, 2, 3, 4]);
    assert_eq!(told(&events.since(101, 2)), [2, 3]);
    assert_eq!(events.since(104, 10), Batch::default());
    assert_eq!(told(&events.since(7, 10)), [0, 1, 2, 3, 4], "of another life of the process");
    for future in [105, u64::MAX - 1, u64::MAX] {
        assert_eq!(told(&events.since(future, 10)), [0, 1, 2, 3, 4], "of one whose clock was ahead");
    }
}

#[test]
fn of_many_the_newest_are_kept_and_who_was_away_is_told_how_many_were_missed() {
    let registry = Registry::new(1);
    let events = metrics::with_local_recorder(&*registry, || Events::beginning_with(1));
    tell(&events, 0, KEPT + 25);
    let batch = events.since(5, 3);
    assert_eq!((told(&batch), batch.missed), (vec![25, 26, 27], 20));
    let batch = events.since(26, 1);
    assert_eq!((told(&batch), batch.missed), (vec![26], 0));
    assert_eq!(events.since(0, usize::MAX).events.len(), KEPT);
    let mut text = String::new();
    registry.render(&Readings::default(), Format::Prometheus, &mut text);
    let has = |line: &str| assert!(text.lines().any(|other| other == line), "{line}");
    has("evenkeel_events_total{kind=\"panic_began\"} 10025");
    has("evenkeel_events_total{kind=\"backend_up\"} 0");
}

#[tokio::test]
async fn a_subscription_waits_for_what_comes_and_misses_nothing_between() {
    let events = Arc::new(Events::beginning_with(1));
    tell(&events, 0, 2);
    let (mut late, mut all) = (events.subscribe(None), events.subscribe(Some(0)));
    assert_eq!(told(&all.next(10).await), [0, 1]);
    let told_later = async {
        tokio::task::yield_now().await;
        tell(&events, 2, 5);
    };
    let ((), first) = tokio::join!(told_later, late.next(2));
    assert_eq!((told(&first), told(&late.next(2).await)), (vec![2, 3], vec![4]));
    assert_eq!(told(&all.next(10).await), [2, 3, 4]);
}

#[test]
fn an_event_in_json_says_what_happened_to_what_and_why() {
    let kind = Kind::Backend {
        state: State::Down,
        by: DecidedBy::Checks,
        reason: "connection refused".to_owned(),
        was: Some(State::Up),
        after: Some(Duration::from_millis(1500)),
    };
    let subject = Subject::backend(&"api".into(), &"a".into());
    let event = Event { id: 7, time: SystemTime::UNIX_EPOCH, moment: Moment::NEVER, subject, kind };
    assert_eq!(
        event.to_json(),
        json!({
            "id": 7, "time": "1970-01-01T00:00:00.000Z", "kind": "backend_down", "level": "warn",
            "service": "api", "backend": "a", "text": "backend is down: connection refused",
            "cause": { "state": "down", "by": "checks", "reason": "connection refused", "was": "up", "after_s": 1.5 },
        })
    );
}

#[test]
fn each_kind_has_a_name_of_its_own_and_the_states_have_theirs() {
    assert_eq!(kind::NAMES.iter().collect::<HashSet<_>>().len(), kind::NAMES.len());
    for state in State::ALL {
        let kind = Kind::Backend { state, by: DecidedBy::Checks, reason: String::new(), was: None, after: None };
        assert_eq!(kind.name(), format!("backend_{}", state.as_str()));
    }
}

fn verdict() -> Verdict {
    let subject = fault::Subject::Host("10.0.0.1".into());
    let (fault, confidence) = (Fault::HardwareFailure, 0.8);
    let vote = Vote {
        detector: Detector::Reachability,
        subject: subject.clone(),
        fault,
        confidence,
        reason: "2 of 2 are gone".to_owned(),
    };
    Verdict { subject, fault, confidence, votes: vec![vote], since: Duration::ZERO }
}

fn incident() -> Incident {
    Incident {
        id: 1,
        service: "api".into(),
        began: Stamp::from_millis(0),
        detected: Stamp::from_millis(500),
        ended: None,
        is_cut: false,
        lasted_ms: 500,
        down_ms: 500,
        rto_ms: 60_000,
        cause: Cause { kind: CauseKind::Check, text: "refused".to_owned() },
        backends: vec!["a".into()],
        actions: Vec::new(),
        lost: 7,
        good: 0,
    }
}

fn alert() -> Alert {
    Alert {
        severity: Severity::Page,
        since: Stamp::from_millis(0),
        long: Lookback::Hour,
        short: Lookback::FiveMinutes,
        factor: 14.4,
        measure: Measure::Requests,
        long_rate: 20.0,
        short_rate: 30.0,
        bad: 40,
        counted: 100,
        down_ms: 0,
    }
}

fn attempt(outcome: Option<Outcome>) -> Arc<Attempt> {
    Arc::new(Attempt {
        id: 12,
        service: "api".to_owned(),
        backend: Some("a".to_owned()),
        fault: "high_error_rate".to_owned(),
        strategy: "restart".to_owned(),
        why: "it has helped 3 times of 4".to_owned(),
        start: 1_000,
        end: outcome.map(|_| 5_500),
        outcome,
        recovery_ms: (outcome == Some(Outcome::Healed)).then_some(3_200),
        act: Some(ActReport { ok: true, code: Some(0), took_ms: 1_250, ..ActReport::default() }),
        ..Attempt::default()
    })
}

fn recoveries() -> Vec<RecoveryChange> {
    let text = || "text".to_owned();
    vec![
        RecoveryChange::Proposed(attempt(None)),
        RecoveryChange::Began(attempt(None)),
        RecoveryChange::Acted(attempt(None)),
        RecoveryChange::over(attempt(Some(Outcome::Healed))),
        RecoveryChange::over(attempt(Some(Outcome::NotHealed))),
        RecoveryChange::over(attempt(Some(Outcome::Passed))),
        RecoveryChange::Undone(attempt(Some(Outcome::Worse))),
        RecoveryChange::Released(attempt(Some(Outcome::Healed))),
        RecoveryChange::Braked(Held { service: text(), fault: text(), ..Held::default() }),
        RecoveryChange::Exhausted(Given { service: text(), fault: text(), ..Given::default() }),
        RecoveryChange::Paused { who: text(), reason: None },
        RecoveryChange::Resumed { who: text() },
    ]
}

/// One of each kind but the states of backends.
fn each() -> Vec<Kind> {
    let mut all = before_recovery();
    all.extend(recoveries().into_iter().map(Kind::Recovery));
    all.extend(after_recovery());
    all
}

fn before_recovery() -> Vec<Kind> {
    let text = || "text".to_owned();
    let took = Duration::ZERO;
    vec![
        Kind::BackendRemoved { by: "configuration" },
        Kind::Path(PathChange::Down { address: text(), reason: text() }),
        Kind::Path(PathChange::Up { address: text() }),
        Kind::Path(PathChange::Chosen { address: text(), was: text(), reason: text() }),
        Kind::Fault(FaultChange { verdict: verdict(), held: None }),
        Kind::Fault(FaultChange { verdict: verdict(), held: Some(took) }),
        Kind::DetectorLeftOut { detector: "anomaly", reason: text() },
        Kind::Shedding(SheddingChange::Began { limit: 12, unloaded: Some(Duration::from_millis(4)) }),
        Kind::Shedding(SheddingChange::Ended { limit: 24, shed: [0, 1, 2], took }),
        Kind::Promise(PromiseChange::IncidentBegan(incident())),
        Kind::Promise(PromiseChange::IncidentEnded(incident())),
        Kind::Promise(PromiseChange::RtoExceeded(incident())),
        Kind::Promise(PromiseChange::Alert(AlertChange { is_raised: true, alert: alert() })),
        Kind::Promise(PromiseChange::Alert(AlertChange { is_raised: false, alert: alert() })),
        Kind::Promise(PromiseChange::BudgetSpent { left: -0.5, by_time: None, by_requests: Some(0.9), target: 0.95 }),
        Kind::Promise(PromiseChange::ProtectionBegan { gives_way: GivingWay::default(), reason: text() }),
        Kind::Promise(PromiseChange::ProtectionEnded { why: ProtectionEnd::PageCleared, lasted: took }),
        Kind::Promise(PromiseChange::MaintenanceBegan { until: Stamp::from_millis(0), reason: text(), who: text() }),
        Kind::Promise(PromiseChange::MaintenanceEnded),
        canary(Change::Stepped { from: 100, to: 500, requests: 7 }),
        canary(Change::Back { from: 500, requests: 7, reason: text() }),
        canary(Change::Arrived { share: 10_000 }),
    ]
}

fn after_recovery() -> Vec<Kind> {
    let text = || "text".to_owned();
    let certificate =
        || Certificate { path: text(), names: vec!["a.example".to_owned()], not_after: SystemTime::UNIX_EPOCH };
    let took = Duration::ZERO;
    vec![
        Kind::Ledger(LedgerChange::Failed { reason: text() }),
        Kind::Ledger(LedgerChange::Recovered { after_s: 2.0 }),
        Kind::Ledger(LedgerChange::SetAside { reason: text(), file: text() }),
        Kind::Ledger(LedgerChange::Pruned { before: Stamp::default() }),
        Kind::Ledger(LedgerChange::KeptElsewhere { by: text() }),
        Kind::Ledger(LedgerChange::ClockJumped { by_s: -3600.0 }),
        Kind::LedgerBackup(BackupChange::Failed { to: text(), reason: text() }),
        Kind::LedgerBackup(BackupChange::Recovered { to: text(), after: Duration::from_secs(2) }),
        Kind::Cluster(ClusterChange::Gained { name: text(), token: 7 }),
        Kind::Cluster(ClusterChange::Lost { name: text(), token: 7, reason: text() }),
        Kind::Cluster(ClusterChange::Unreachable { reason: text() }),
        Kind::Cluster(ClusterChange::Reachable { after: Duration::from_secs(2) }),
        Kind::Share(ShareChange::Failed { reason: text() }),
        Kind::Share(ShareChange::Recovered { after: Duration::from_secs(2), waiting: 1 }),
        Kind::Share(ShareChange::Local { what: text(), reason: text() }),
        Kind::Share(ShareChange::Unreadable { key: text(), reason: text() }),
        Kind::Otlp(OtlpChange::Failed { signal: "traces", endpoint: text(), reason: text() }),
        Kind::Otlp(OtlpChange::Recovered { signal: "metrics", endpoint: text(), after: Duration::from_secs(2) }),
        Kind::Store(StoreChange::Unreachable { store: text(), used_for: StoreUse::Limits, reason: text() }),
        Kind::Store(StoreChange::Reachable {
            store: text(),
            used_for: StoreUse::Limits,
            after: Duration::from_secs(2),
        }),
        Kind::Store(StoreChange::Unreachable { store: text(), used_for: StoreUse::Sessions, reason: text() }),
        Kind::Store(StoreChange::Reachable {
            store: text(),
            used_for: StoreUse::Sessions,
            after: Duration::from_secs(2),
        }),
        Kind::Operator {
            command: "drain",
            who: text(),
            reason: None,
            until: None,
            weight: None,
            sessions: None,
            instance: None,
        },
        Kind::OperatorExpired { command: "drain", who: text() },
        Kind::OperatorNotKept { reason: text() },
        Kind::PanicBegan { available: 1, total: 3 },
        Kind::PanicEnded { available: 3, total: 3 },
        Kind::ServiceDown { total: 3 },
        Kind::ServiceUp { available: 1, total: 3 },
        Kind::Listener(ListenerChange::Added { address: text(), protocol: "http", tls: false }),
        Kind::Listener(ListenerChange::Changed { address: text(), was: None }),
        Kind::Listener(ListenerChange::Removed { address: text() }),
        Kind::Listener(ListenerChange::Failed { address: text(), reason: text() }),
        Kind::Certificate(CertificateChange::Loaded(certificate())),
        Kind::Certificate(CertificateChange::Changed {
            certificate: certificate(),
            was_valid_until: SystemTime::UNIX_EPOCH,
        }),
        Kind::Certificate(CertificateChange::Expiring { certificate: certificate(), days_left: 6 }),
        Kind::Certificate(CertificateChange::Expired(certificate())),
        Kind::Certificate(CertificateChange::Failed { key: text(), reason: text() }),
        Kind::Certificate(CertificateChange::Refused { path: text(), reason: text() }),
        Kind::AccessFile(AccessFileChange::Loaded { file: text(), entries: 1 }),
        Kind::AccessFile(AccessFileChange::Refused { file: text(), line: Some(1), reason: text() }),
        Kind::PageFile(PageFileChange::Loaded { file: text(), bytes: 1 }),
        Kind::PageFile(PageFileChange::Refused { file: text(), reason: text() }),
        Kind::MaintenancePage(MaintenancePageChange::Shown { who: text(), reason: None, until: None }),
        Kind::MaintenancePage(MaintenancePageChange::Ended { who: text(), after: took }),
        Kind::Discovery(DiscoveryChange::Changed { backends: 3, added: 2, removed: 1 }),
        Kind::Discovery(DiscoveryChange::Failed { reason: text(), backends: 3 }),
        Kind::Discovery(DiscoveryChange::Recovered { backends: 3 }),
        Kind::Discovery(DiscoveryChange::Refused {
            news: vec![Refused { key: text(), reason: text(), is_kept: true }],
            refused: 2,
            backends: 3,
        }),
        Kind::Discovery(DiscoveryChange::WeightsIgnored {
            balance: "round_robin",
            heeding: "`weighted_round_robin` does",
        }),
        Kind::Reloaded { why: text(), generation: 2, changes: text(), took },
        Kind::NotReloaded { why: text(), detail: text(), took },
        Kind::HandOver(HandOverChange::Began { who: text(), reason: None }),
        Kind::HandOver(HandOverChange::Ended { addresses: vec![text()], connections: 0, took }),
        Kind::HandOver(HandOverChange::Failed { reason: text(), took }),
        Kind::Ready { version: "1" },
        Kind::Stopping { signal: text() },
    ]
}

/// The row of a kind in docs/events.md: its level, and its members in `cause`.
fn documented(name: &str) -> Option<(String, String)> {
    let (_, kinds) = include_str!("../../docs/events.md").split_once("## Kinds").unwrap();
    let rows = kinds.lines().filter(|line| line.starts_with("| `"));
    let mut cells = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    cells.find(|cells| cells[1].contains(&format!("`{name}`"))).map(|cells| (cells[2].clone(), cells[4].clone()))
}

#[test]
fn the_list_of_names_has_each_kind_and_no_other() {
    let states = State::ALL.map(|state| format!("backend_{}", state.as_str()));
    let mut names = states.to_vec();
    names.extend(each().iter().map(|kind| kind.name().to_owned()));
    assert_eq!(names, kind::NAMES);
}

#[test]
fn the_documentation_has_each_kind_with_its_level_and_its_members() {
    for kind in each() {
        let name = kind.name();
        let (level, members) = documented(name).unwrap_or_else(|| panic!("docs/events.md has no row for {name}"));
        assert_eq!(level, kind.level().as_str(), "docs/events.md: the level of {name}");
        if members.contains("the same") {
            continue;
        }
        for member in kind.cause().as_object().unwrap().keys() {
            assert!(members.contains(&format!("`{member}`")), "docs/events.md: {name} has `{member}` in `cause`");
        }
    }
    assert!(State::ALL.iter().all(|state| documented(&format!("backend_{}", state.as_str())).is_some()));
}

#[test]
fn what_is_told_of_an_attempt_says_what_it_came_to() {
    let text = |change: RecoveryChange| Kind::Recovery(change).text();
    assert_eq!(
        text(RecoveryChange::Began(attempt(None))),
        "attempt 12: restart against high error rate has begun; it has helped 3 times of 4"
    );
    assert_eq!(
        text(RecoveryChange::Acted(attempt(None))),
        "attempt 12: restart is done, exit code 0 after 1.2 s; waiting until the service is seen well"
    );
    assert_eq!(
        text(RecoveryChange::over(attempt(Some(Outcome::Healed)))),
        "attempt 12: restart has healed high error rate, 3.2 s after the fault"
    );
    let approved = Attempt { who: Some("token ops".to_owned()), ..(*attempt(None)).clone() };
    assert_eq!(
        text(RecoveryChange::Began(Arc::new(approved))),
        "attempt 12: restart against high error rate has begun, approved by token ops; it has helped 3 times of 4"
    );
    let (error, output) = ("ended with exit code 7".to_owned(), "one\ncannot connect\n\n".to_owned());
    let failed = Attempt {
        act: Some(ActReport { error, output, ..ActReport::default() }),
        lesson: "ended with exit code 7; the act itself failed; effectiveness 0.45".to_owned(),
        ..(*attempt(Some(Outcome::Failed))).clone()
    };
    assert_eq!(
        text(RecoveryChange::over(Arc::new(failed))),
        "attempt 12: restart against high error rate could not be done (ended with exit code 7; it printed \"cannot connect\"); \
         effectiveness 0.45"
    );
    let refused = Attempt { who: Some("token ops".to_owned()), ..(*attempt(Some(Outcome::Refused))).clone() };
    assert_eq!(
        text(RecoveryChange::over(Arc::new(refused))),
        "attempt 12: restart against high error rate was refused by token ops"
    );
}

#[test]
fn a_verdict_that_lapses_is_not_told_as_if_all_were_well() {
    let text = Kind::Fault(FaultChange { verdict: verdict(), held: Some(Duration::from_millis(2_500)) }).text();
    assert!(text.contains("the fault is not seen any more, 2.5 s after it was found: "), "{text}");
    assert!(!text.contains("well"), "{text}");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_whether_the_fault_passes_without() {
    let told = |change: &dyn Fn(Arc<Attempt>) -> RecoveryChange, outcome| {
        let kind = "restart".to_owned();
        let what = Some("systemctl restart a".to_owned());
        let dry = Attempt { dry_run: true, kind, what, act: None, ..(*attempt(outcome)).clone() };
        let kind = Kind::Recovery(change(Arc::new(dry)));
        assert_eq!(kind.level(), Level::Info);
        (kind.name(), kind.text())
    };
    let (name, text) = told(&RecoveryChange::Began, None);
    assert_eq!(name, "recovery_began");
    assert_eq!(
        text,
        "attempt 12 (dry run): would restart a (`systemctl restart a`) against high error rate; it has helped 3 times of 4"
    );
    let (name, text) = told(&RecoveryChange::over, Some(Outcome::Healed));
    assert_eq!(name, "recovery_ended");
    assert_eq!(text, "attempt 12 (dry run): high error rate has passed by itself, 3.2 s after it was found");
    let (name, text) = told(&RecoveryChange::over, Some(Outcome::NotHealed));
    assert_eq!(name, "recovery_ended");
    assert_eq!(text, "attempt 12 (dry run): high error rate has not passed by itself within 4 s");
}

#[test]
fn a_command_that_was_ended_half_way_is_a_warning() {
    let stopped = |act: Option<ActReport>| {
        let (kind, lesson) = ("restart".to_owned(), "recovery was paused".to_owned());
        let attempt = (*attempt(Some(Outcome::Stopped))).clone();
        let change = RecoveryChange::over(Arc::new(Attempt { act, kind, lesson, acted: Some(1_500), ..attempt }));
        let kind = Kind::Recovery(change);
        (kind.level(), kind.text())
    };
    let text = "attempt 12: restart against high error rate was stopped: recovery was paused".to_owned();
    let left = "; what it ran was ended half-way, so look at what that has left behind";
    assert_eq!(stopped(None), (Level::Warn, format!("{text}{left}")));
    assert_eq!(stopped(Some(ActReport::default())), (Level::Info, text));
}

#[test]
fn a_fault_that_lasts_says_what_was_tried_and_when_that_is_tried_again() {
    let tried = vec!["restart".to_owned(), "failover".to_owned()];
    let given = Given { fault: "unresponsive".to_owned(), tried, again_after_s: 60.0, ..Given::default() };
    let kind = Kind::Recovery(RecoveryChange::Exhausted(given));
    let text = "unresponsive lasts, and nothing is left to be tried: restart, failover did not help; next in 60 s";
    assert_eq!(kind.text(), text);
    assert_eq!(kind.cause()["tried"], json!(["restart", "failover"]));
}

#[test]
fn a_failure_is_an_error_and_what_a_person_ended_is_none() {
    let level = |outcome| RecoveryChange::over(attempt(outcome));
    let levels = [Outcome::Healed, Outcome::NotHealed, Outcome::Worse, Outcome::Failed, Outcome::Unknown]
        .map(|outcome| Kind::Recovery(level(Some(outcome))).level());
    assert_eq!(levels, [Level::Info, Level::Error, Level::Error, Level::Error, Level::Error]);
    for outcome in [Outcome::Passed, Outcome::Refused, Outcome::Stopped, Outcome::Gone] {
        assert_eq!(Kind::Recovery(level(Some(outcome))).name(), "recovery_ended");
    }
}

#[test]
fn an_event_of_recovery_is_about_its_service_and_its_backend() {
    let subject = RecoveryChange::Began(attempt(None)).subject();
    assert_eq!(subject, Subject::backend(&"api".into(), &"a".into()));
    let held = Held {
        service: "api".to_owned(),
        fault: "unresponsive".to_owned(),
        brake: "max_unhealthy".to_owned(),
        why: "2 of 3 backends are unwell".to_owned(),
        ..Held::default()
    };
    let change = RecoveryChange::Braked(held);
    assert_eq!(change.subject(), Subject::service(&"api".into()));
    let kind = Kind::Recovery(change);
    assert_eq!(kind.text(), "nothing is done about unresponsive: 2 of 3 backends are unwell");
    assert_eq!(kind.cause()["brake"], json!("max_unhealthy"));
    assert_eq!(RecoveryChange::Resumed { who: "ops".to_owned() }.subject(), Subject::default());
}
