//! Mistakes in `[[service.NAME.recover]]` and `[service.NAME.recovery]`, and what good ones become.

use std::path::Path;
use std::time::Duration;

use evenkeel::config::Loaded;
use evenkeel::config::model::{Means, Recovery};
use evenkeel::detect::fault::Fault;
use evenkeel::recover::plan::Destination;
use evenkeel::recover::{StrategyKind, StrategyPlan};

use crate::support::{Folder, GOOD, bad, good, only_mistake, told};

/// Two services. The first has checks, backups, zones, and backends that come by discovery.
const SERVICES: &str = r#"
[[listener]]
name = "web"
bind = "127.0.0.1:8080"
service = "app"

[service.app]
health = {}
discover = { dns = "localhost:9000" }
backend = [
  { address = "127.0.0.1:9001", id = "a", zone = "east" },
  { address = "127.0.0.1:9002", id = "b", zone = "west", backup = true },
]
[service.spare]
backend = [{ address = "127.0.0.1:9003" }]
[[listener.route]]
path = "/spare"
service = "spare"
"#;

/// A service with this strategy.
fn recover(rest: &str) -> String {
    format!("{SERVICES}\n[[service.app.recover]]\n{rest}\n")
}

/// A service that restarts backends, with these brakes.
fn recovery(rest: &str) -> String {
    format!("{}\n[service.app.recovery]\n{rest}\n", recover("strategy = 'restart'\nrun = ['true']"))
}

fn of_app(loaded: &Loaded) -> Recovery {
    loaded.config.services[0].recovery.clone().unwrap()
}

fn plan(rest: &str) -> StrategyPlan {
    let loaded = good(&recover(rest));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    of_app(&loaded).plan.strategies.remove(0)
}

fn act(rest: &str) -> Means {
    of_app(&good(&recover(rest))).means.remove(0).act.unwrap()
}

/// "path: message" of all warnings about this text, which is good.
fn warnings(text: &str) -> Vec<String> {
    good(text).warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect()
}

#[test]
fn without_a_section_nothing_is_done() {
    assert_eq!(good(GOOD).config.services[0].recovery, None);
}

#[test]
fn a_restart_has_these_defaults() {
    let loaded = good(&recover("strategy = 'restart'\nrun = ['systemctl', 'restart', 'api@${backend}']"));
    let Recovery { plan, means } = of_app(&loaded);
    let [only] = &plan.strategies[..] else { panic!("one") };
    assert_eq!(&*only.name, "restart");
    assert_eq!(only.kind, StrategyKind::Restart { drain: Duration::from_secs(10) });
    assert_eq!(only.on, [Fault::Unresponsive, Fault::HighErrorRate]);
    assert_eq!((only.attempts, only.delay, only.within), (3, Duration::from_secs(5), Duration::from_secs(35)));
    assert_eq!((only.prior, only.has_undo), (0.5, false));
    let limits = &plan.limits;
    assert_eq!((limits.cool_down, limits.max_at_once, limits.per_hour), (Duration::from_secs(60), 1, 10));
    assert_eq!((limits.max_disrupted, limits.max_unhealthy), (0.34, 0.4));
    assert!(!plan.dry_run && !plan.ask);
    assert_eq!(&*means[0].strategy, "restart");
    let argv = ["systemctl", "restart", "api@${backend}"].map(str::to_owned).to_vec();
    let command = Means::Command { argv, time_out: Duration::from_secs(30), environment: Vec::new() };
    assert_eq!((&means[0].act, &means[0].undo, &means[0].down), (&Some(command), &None, &None));
}

#[test]
fn each_strategy_is_for_its_faults_and_has_its_settings() {
    let failover = plan("strategy = 'failover'");
    assert_eq!(failover.on, [Fault::Unresponsive, Fault::NetworkPartition, Fault::HardwareFailure]);
    let back_after = Duration::from_secs(30);
    assert_eq!(failover.kind, StrategyKind::Failover { to: Destination::Backups, back_after });
    let to = |to: &str| plan(&format!("strategy = 'failover'\nback_after = '30s'\nto = '{to}'")).kind;
    assert_eq!(to("zone:west"), StrategyKind::Failover { to: Destination::Zone("west".into()), back_after });
    assert_eq!(to("service:spare"), StrategyKind::Failover { to: Destination::Service("spare".into()), back_after });

    let scale_up = plan("strategy = 'scale_up'\nrun = ['up']\nmax_instances = 5\ndown = ['down']");
    assert_eq!(scale_up.on, [Fault::HighLatency, Fault::ResourceExhaustion]);
    assert_eq!(scale_up.within, Duration::from_secs(180));
    let kind = StrategyKind::ScaleUp { max_instances: 5, has_down: true, down_after: Duration::from_secs(600) };
    assert_eq!(scale_up.kind, kind);

    let break_it = plan("strategy = 'circuit_break'\npath = '/search/'");
    assert_eq!(break_it.on, [Fault::HighErrorRate, Fault::DependencyFailure]);
    let kind = StrategyKind::CircuitBreak { path: Some("/search/".into()), open_for: Duration::from_secs(30) };
    assert_eq!(break_it.kind, kind);

    let custom = plan("strategy = 'custom'\non = ['high_latency', 'high_latency']\nrun = ['x']\nundo = ['y']");
    assert_eq!((custom.on, custom.has_undo), (vec![Fault::HighLatency], true));
    assert_eq!(custom.kind, StrategyKind::Custom { drain: None });
}

#[test]
fn every_setting_arrives() {
    let text = format!(
        "{}\n[service.app.recovery]\ndry_run = true\napprove = 'ask'\ncool_down = '5m'\nmax_at_once = 3\n\
         max_disrupted = 1\nmax_unhealthy = 0\nper_hour = 0\n",
        recover(
            "strategy = 'restart'\nname = 'r'\non = ['high_latency']\nrun = ['x']\nattempts = 1\ndelay = '1s'\n\
             within = '2s'\nprior = 0.9\ndrain = '0s'\ntime_out = '1s'\nundo = ['y']\nenvironment = { A = 'b' }"
        )
    );
    let Recovery { plan, means } = of_app(&good(&text));
    let only = &plan.strategies[0];
    assert_eq!((&*only.name, &only.on[..], only.attempts), ("r", &[Fault::HighLatency][..], 1));
    assert_eq!((only.delay, only.within), (Duration::from_secs(1), Duration::from_secs(2)));
    assert_eq!((only.prior, only.has_undo), (0.9, true));
    assert_eq!(only.kind, StrategyKind::Restart { drain: Duration::ZERO });
    let limits = &plan.limits;
    assert_eq!((limits.cool_down, limits.max_at_once, limits.per_hour), (Duration::from_secs(300), 3, 0));
    assert_eq!((limits.max_disrupted, limits.max_unhealthy), (1.0, 0.0));
    assert!(plan.dry_run && plan.ask);
    let environment = vec![("A".to_owned(), "b".to_owned())];
    let undo = Means::Command { argv: vec!["y".to_owned()], time_out: Duration::from_secs(1), environment };
    assert_eq!((&*means[0].strategy, &means[0].undo), ("r", &Some(undo)));
}

#[test]
fn what_is_filled_in_later_stays_beside_what_the_file_fills_in() {
    let text = format!(
        "[server.environment]\nbackend = 'no'\nUNIT = 'api'\n{}",
        recover("strategy = 'restart'\nsystemd = '${UNIT}@${backend}'")
    );
    let loaded = good(&text);
    let unit = of_app(&loaded).means.remove(0).act.unwrap();
    assert_eq!(unit, Means::Unit { name: "api@${backend}.service".to_owned(), time_out: Duration::from_secs(30) });
    let shown = &loaded.effective.to_json()["service"]["app"]["recover"][0];
    assert_eq!(shown["systemd"], "${UNIT}@${backend}");

    let Means::Webhook { uri, .. } = act("strategy = 'restart'\nwebhook = 'http://a:1/r/${backend}?n=${number}'")
    else {
        panic!("a webhook")
    };
    assert_eq!(uri.to_string(), "http://a:1/r/${backend}?n=${number}");
    for (keys, meant) in [
        ("run = ['x', '${bakend}']", "${backend}"),
        ("systemd = 'x@${servce}'", "${service}"),
        ("webhook = 'http://a/${atempt}'", "${attempt}"),
        ("run = ['x']\nundo = ['y', '${tokn}']", "${token}"),
    ] {
        let found = bad(&recover(&format!("strategy = 'restart'\n{keys}")));
        let only = found.iter().next().unwrap();
        assert!(found.len() == 1 && only.message.ends_with("is not set"), "{found}");
        assert_eq!(only.suggestion.as_deref(), Some(meant), "{found}");
    }
}

#[test]
fn a_program_with_a_slash_is_relative_to_the_file_and_others_are_looked_up() {
    let folder = Folder::new();
    folder.write("restart.sh", "#!/bin/sh\n");
    let loaded = folder.load(&recover("strategy = 'restart'\nrun = ['./restart.sh', './x']\nundo = ['sh']")).unwrap();
    let means = of_app(&loaded).means.remove(0);
    let Some(Means::Command { argv, .. }) = means.act else { panic!("a command") };
    assert!(Path::new(&argv[0]).is_absolute(), "{argv:?}");
    assert_eq!(Path::new(&argv[0]).canonicalize().unwrap(), folder.path().join("restart.sh").canonicalize().unwrap());
    assert_eq!(argv[1], "./x");
    assert!(matches!(means.undo, Some(Means::Command { argv, .. }) if argv == ["sh"]));
    let warnings = loaded.warnings.to_string();
    assert!(loaded.warnings.len() == 1 && warnings.contains("may not be executed"), "{warnings}");
}

#[test]
fn a_program_that_is_not_there_is_warned_of() {
    let told = warnings(&recover("strategy = 'restart'\nrun = ['/nowhere/restart']"));
    assert!(told.len() == 1 && told[0].starts_with("service.app.recover[0].run[0]: `/nowhere/restart`"), "{told:?}");
    assert!(warnings(&recover("strategy = 'restart'\nrun = ['/nowhere/${service}']")).is_empty());
}

#[test]
fn secrets_are_read_and_never_shown() {
    let folder = Folder::new();
    folder.write("call.key", "hunter2\n");
    let text = recover(
        "strategy = 'custom'\non = ['unresponsive']\nwebhook = 'https://a/x'\nsecret_file = 'call.key'\n\
         undo = ['x']\nenvironment = { DSN = 'postgres://me:hunter2@db' }",
    );
    let loaded = folder.load(&text).unwrap();
    let recovery = of_app(&loaded);
    let Some(Means::Webhook { secret: Some(secret), .. }) = &recovery.means[0].act else { panic!("a signed webhook") };
    assert_eq!(secret.bytes(), b"hunter2");
    let Some(Means::Command { environment, .. }) = &recovery.means[0].undo else { panic!("a command") };
    assert_eq!(environment[0].1, "postgres://me:hunter2@db");
    let shown = loaded.effective.to_json();
    assert_eq!(shown["service"]["app"]["recover"][0]["environment"]["DSN"], "***");
    assert!(!shown.to_string().contains("hunter2"), "{shown}");
    assert!(!format!("{:?}", recovery.means[0].act).contains("hunter2"));
}

#[test]
fn what_is_shown_has_the_defaults_of_the_strategy_and_no_others() {
    let shown = good(&recover("strategy = 'failover'")).effective.to_json();
    let shown = &shown["service"]["app"];
    let one = &shown["recover"][0];
    assert_eq!((&one["name"], &one["to"], &one["back_after"]), (&"failover".into(), &"backups".into(), &"30s".into()));
    assert_eq!(one["on"][0], "unresponsive");
    assert!(one.get("drain").is_none() && one.get("open_for").is_none(), "{one}");
    assert_eq!((&shown["recovery"]["per_hour"], &shown["recovery"]["approve"]), (&10.into(), &"auto".into()));
    assert!(good(GOOD).effective.to_json()["service"]["app"].get("recovery").is_none());
}

#[test]
fn what_makes_no_sense_is_told_where_it_stands() {
    let scale_up = "strategy = 'scale_up'\nrun = ['x']\nmax_instances = 3";
    for (rest, mistake) in [
        ("", "recover[0]: `strategy` is missing"),
        ("strategy = 'reboot'", "recover[0].strategy: `strategy` can't be \"reboot\""),
        ("strategy = 'restart'", "recover[0]: `run`, `systemd` or `webhook` is missing"),
        ("strategy = 'restart'\nrun = ['x']\nname = 'a b'", "recover[0].name: \"a b\" can't be a name"),
        ("strategy = 'restart'\nrun = ['x']\nsystemd = 'y'", "recover[0].systemd: `systemd` beside `run`"),
        ("strategy = 'custom'\nrun = ['x']", "recover[0].on: it is not said what this strategy is tried against"),
        (
            "strategy = 'restart'\nrun = ['x']\non = []",
            "recover[0].on: it is not said what this strategy is tried against",
        ),
        ("strategy = 'restart'\nrun = ['x']\non = ['slow']", "recover[0].on[0]: `slow` is not a fault"),
        ("strategy = 'restart'\nrun = []", "recover[0].run: no program is named"),
        ("strategy = 'restart'\nrun = ['', 'x']", "recover[0].run: no program is named"),
        (
            "strategy = 'restart'\nrun = ['systemctl restart api']",
            "recover[0].run[0]: `systemctl restart api` can't be the name of a program",
        ),
        (
            "strategy = 'restart'\nrun = ['x', \"\\u0000\"]",
            "recover[0].run[1]: an argument can't contain the character NUL",
        ),
        ("strategy = 'restart'\nrun = 'x'", "recover[0].run: `run` can't be a string"),
        ("strategy = 'restart'\nrun = ['x']\nundo = []", "recover[0].undo: no program is named"),
        ("strategy = 'restart'\nsystemd = 'a b'", "recover[0].systemd: \"a b\" can't be the name of a systemd unit"),
        ("strategy = 'restart'\nwebhook = 'a/b'", "recover[0].webhook: `a/b` is not a URL"),
        (
            "strategy = 'restart'\nwebhook = 'http://${address}/'",
            "recover[0].webhook: `http://${address}/` has a placeholder in place of its host",
        ),
        (
            "strategy = 'restart'\nwebhook = 'http://a/'\nsecret_file = '/nowhere/key'",
            "recover[0].secret_file: `/nowhere/key` can't be read: No such file or directory (os error 2)",
        ),
        (
            "strategy = 'restart'\nwebhook = 'http://a/'\nca = '/nowhere/ca'",
            "recover[0].ca: `/nowhere/ca` can't be read: No such file or directory (os error 2)",
        ),
        ("strategy = 'restart'\nrun = ['x']\nattempts = 0", "recover[0].attempts: `attempts` is out of range"),
        ("strategy = 'restart'\nrun = ['x']\nwithin = '0s'", "recover[0].within: `within` can't be 0"),
        ("strategy = 'restart'\nrun = ['x']\ntime_out = '0s'", "recover[0].time_out: `time_out` can't be 0"),
        ("strategy = 'restart'\nrun = ['x']\nprior = 0.05", "recover[0].prior: `prior` is out of range"),
        (
            "strategy = 'restart'\nrun = ['x']\nenvironment = { A-B = '1' }",
            "recover[0].environment.A-B: \"A-B\" can't be the name of a variable",
        ),
        (
            "strategy = 'restart'\nrun = ['x']\nenvironment = { EVENKEEL_TOKEN = '1' }",
            "recover[0].environment.EVENKEEL_TOKEN: `EVENKEEL_TOKEN` is set by Evenkeel itself",
        ),
        ("strategy = 'restart'\nrun = ['x']\nto = 'backups'", "recover[0].to: strategy = \"restart\" has no key `to`"),
        ("strategy = 'failover'\nrun = ['x']", "recover[0].run: strategy = \"failover\" has no key `run`"),
        ("strategy = 'failover'\nundo = ['x']", "recover[0].undo: strategy = \"failover\" has no key `undo`"),
        (
            "strategy = 'circuit_break'\nwebhook = 'http://a/'",
            "recover[0].webhook: strategy = \"circuit_break\" has no key `webhook`",
        ),
        (
            "strategy = 'circuit_break'\ndrain = '1s'",
            "recover[0].drain: strategy = \"circuit_break\" has no key `drain`",
        ),
        ("strategy = 'circuit_break'\npath = 'x'", "recover[0].path: `x` does not begin with \"/\""),
        ("strategy = 'circuit_break'\nopen_for = '0s'", "recover[0].open_for: `open_for` can't be 0"),
        ("strategy = 'failover'\nto = 'backup'", "recover[0].to: `backup` is nothing that the work can be sent to"),
        ("strategy = 'failover'\nto = 'service:app'", "recover[0].to: a service can't fail over to itself"),
        ("strategy = 'failover'\nto = 'service:spar'", "recover[0].to: there is no service `spar`"),
        (
            "strategy = 'failover'\nto = 'zone:wst'",
            "recover[0].to: no backend of the service `app` stands in the zone `wst`",
        ),
        ("strategy = 'scale_up'\nrun = ['x']", "recover[0]: `max_instances` is missing"),
        (
            "strategy = 'scale_up'\nrun = ['x']\nmax_instances = 0",
            "recover[0].max_instances: `max_instances` is out of range",
        ),
        (
            &format!("{scale_up}\ndown = ['y']\ndown_webhook = 'http://a/'"),
            "recover[0].down_webhook: `down_webhook` beside `down`",
        ),
        (&format!("{scale_up}\nopen_for = '1s'"), "recover[0].open_for: strategy = \"scale_up\" has no key `open_for`"),
        (
            "strategy = 'failover'\n[[service.app.recover]]\nstrategy = 'failover'\nto = 'zone:west'",
            "recover[1].name: another strategy of the service is named `failover`",
        ),
        ("strategy = 'failover'\ncommand = ['x']", "recover[0].command: unknown key `command`"),
    ] {
        let text = recover(rest);
        assert_eq!(only_mistake(&text), format!("service.app.{mistake}"), "{rest}");
        let found = bad(&text);
        let only = found.iter().next().unwrap();
        assert!(only.expected.is_some() || only.suggestion.is_some() || only.help.is_some(), "{found}");
        assert!(only.line >= 20, "{found}");
    }
}

#[test]
fn brakes_that_make_no_sense_are_told_where_they_stand() {
    for (rest, mistake) in [
        ("max_at_once = 0", "max_at_once: `max_at_once` is out of range"),
        ("max_disrupted = 0", "max_disrupted: `max_disrupted` can't be 0"),
        ("max_disrupted = 34", "max_disrupted: `max_disrupted` is out of range"),
        ("max_unhealthy = -0.1", "max_unhealthy: `max_unhealthy` is out of range"),
        ("per_hour = -1", "per_hour: `per_hour` is out of range"),
        ("approve = 'always'", "approve: `approve` can't be \"always\""),
        ("dryrun = true", "dryrun: unknown key `dryrun`"),
    ] {
        assert_eq!(only_mistake(&recovery(rest)), format!("service.app.recovery.{mistake}"), "{rest}");
    }
}

#[test]
fn a_strategy_that_has_the_name_of_another_is_told_to_get_its_own() {
    let twice = "strategy = 'restart'\nrun = ['x']\n[[service.app.recover]]\nstrategy = 'restart'\nrun = ['y']";
    let help = bad(&recover(twice)).iter().next().unwrap().help.clone().unwrap();
    assert_eq!(help, "the first one is in line 20; give this one a name of its own: name = \"...\"");
    good(&recover(&format!("{twice}\nname = 'harder'")));
}

#[test]
fn a_key_of_another_strategy_is_told_with_the_strategies_that_have_it() {
    let help = |rest: &str| bad(&recover(rest)).iter().next().unwrap().help.clone().unwrap();
    assert_eq!(help("strategy = 'failover'\ndrain = '1s'"), "it is for strategy = \"restart\" or \"custom\"");
    assert_eq!(help("strategy = 'failover'\nmax_instances = 1"), "it is for strategy = \"scale_up\"");
}

#[test]
fn what_was_probably_meant_is_said() {
    let first = |text: &str| bad(text).iter().next().unwrap().clone();
    let near = |rest: &str| first(&recover(&format!("strategy = 'restart'\n{rest}"))).suggestion.unwrap();
    assert_eq!(near("run = 'systemctl restart api@${backend}'"), r#"["systemctl", "restart", "api@${backend}"]"#);
    assert_eq!(near("run = ['x']\non = 'unresponsive'"), r#"["unresponsive"]"#);
    assert_eq!(near("run = ['x']\non = ['down']"), "unresponsive");
    let prior = first(&recover("strategy = 'restart'\nrun = ['x']\nprior = 2"));
    assert_eq!((prior.expected.as_deref(), prior.suggestion), (Some("a number from 0.1 to 1"), None));
    let unset = first(&recover("strategy = 'restart'\nrun = ['x', '${hxzqy}']"));
    assert!(unset.help.unwrap().starts_with("${address}, "), "what is filled in is listed");
    assert_eq!(first(&recovery("max_unhealthy = '40%'")).suggestion.as_deref(), Some("0.4"));
    let twice = recover("strategy = 'restart'\nrun = ['x']\n[[service.app.recovery]]");
    assert_eq!(first(&twice).help.as_deref(), Some("write [service.app.recovery] once, with one bracket"));
}

#[test]
fn a_circuit_that_cuts_all_requests_off_and_a_service_of_a_misspelt_name_are_told() {
    let cut = "recover[0].path: every request of the service is cut off while the circuit is open";
    assert_eq!(warnings(&recover("strategy = 'circuit_break'\npath = '/'")), [format!("service.app.{cut}")]);
    assert!(warnings(&recover("strategy = 'circuit_break'\npath = '/search'")).is_empty());
    let found =
        bad(&recover("strategy = 'restart'\nrun = ['true']")
            .replace("[[service.app.recover]]", "[[service.ap.recover]]"));
    let first = found.iter().next().unwrap();
    assert_eq!((&*first.message, first.suggestion.as_deref()), ("the service `ap` has no backends", Some("app")));
}

#[test]
fn none_hides_another() {
    let text = recover(
        "strategy = 'failover'\nto = 'service:nowhere'\nopen_for = '1s'\non = ['slow']\n\
         [[service.app.recover]]\nstrategy = 'scale_up'\nattempts = 0\n[service.app.recovery]\nmax_disrupted = 0",
    );
    assert_eq!(
        told(&bad(&text)),
        [
            "22:6 service.app.recover[0].to: there is no service `nowhere`",
            "23:1 service.app.recover[0].open_for: strategy = \"failover\" has no key `open_for`",
            "24:7 service.app.recover[0].on[0]: `slow` is not a fault",
            "25:1 service.app.recover[1]: `run`, `systemd` or `webhook` is missing",
            "25:1 service.app.recover[1]: `max_instances` is missing",
            "27:12 service.app.recover[1].attempts: `attempts` is out of range",
            "29:17 service.app.recovery.max_disrupted: `max_disrupted` can't be 0",
        ]
    );
}

#[test]
fn a_failover_needs_somewhere_to_go() {
    let failover = |backend: &str, to: &str| {
        format!("{GOOD}{backend}\n[service.app.health]\n[[service.app.recover]]\nstrategy = 'failover'\n{to}\n")
    };
    let mistake = only_mistake(&failover("", ""));
    assert_eq!(mistake, "service.app.recover[0].to: the service `app` has no backup to fail over to");
    let mistake = only_mistake(&failover("", "to = 'zone:a'"));
    assert_eq!(mistake, "service.app.recover[0].to: no backend of the service `app` stands in the zone `a`");
    good(&failover("", "[service.app.discover]\nfile = 'backends.json'"));
    good(&failover("", "to = 'zone:a'\n[service.app.discover]\nfile = 'backends.json'"));
    // what was reported of a backend is not reported again
    assert_eq!(
        only_mistake(&failover("backup = 1", "")),
        "service.app.backend[0].backup: `backup` can't be an integer"
    );
}

#[test]
fn a_service_that_only_a_failover_names_is_used() {
    let text =
        recover("strategy = 'failover'\nto = 'service:spare'").replace("service = \"spare\"", "service = \"app\"");
    assert!(good(&text).warnings.is_empty(), "{}", good(&text).warnings);
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let alone = |rest: &str| format!("{GOOD}\n{rest}\n");
    let restart = "[[service.app.recover]]\nstrategy = 'restart'\nrun = ['x']";
    for (text, warning) in [
        (alone("[service.app.recovery]"), "recovery: `recovery` has no effect"),
        (
            alone(&format!("[service.app.health]\n{restart}")),
            "recover[0].strategy: the only backend is restarted when it is down, and not before",
        ),
        (
            recover("strategy = 'failover'").replace("health = {}\n", ""),
            "recover: faults are found by the answers of backends alone",
        ),
        (
            recover("strategy = 'scale_up'\nrun = ['x']\nmax_instances = 3").replace("discover = ", "# "),
            "recover[0].strategy: backends that are started will not be seen",
        ),
        (
            recover("strategy = 'scale_up'\nrun = ['x']\nmax_instances = 1"),
            "recover[0].max_instances: the file has 2 backends already",
        ),
        (recover("strategy = 'restart'\nrun = ['x']\nca = 'ca.pem'"), "recover[0].ca: `ca` has no effect"),
        (
            recover("strategy = 'restart'\nsystemd = 'x'\nenvironment = { A = '1' }"),
            "recover[0].environment: `environment` has no effect",
        ),
    ] {
        assert_eq!(warnings(&text), [format!("service.app.{warning}")], "{text}");
    }
}

#[test]
fn sessions_are_recovered_as_well() {
    let text = recovery("").replace("path = \"/spare\"\n", "").replace("bind =", "protocol = 'tcp'\nbind =");
    let text = text.replace("[[listener.route]]\nservice = \"spare\"\n", "");
    of_app(&good(&text));
}
