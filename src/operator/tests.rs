use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::endpoint::testing;

fn note(reason: &str) -> Note {
    Note { who: "ci".to_owned(), reason: Some(reason.to_owned()), until: None }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("evenkeel-operator-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn nowhere() -> Operators {
    Operators::load(None, Arc::default())
}

fn told(operators: &Operators) -> Vec<(&'static str, u64)> {
    let mut told = BTreeMap::new();
    for event in operators.events.since(0, usize::MAX).events {
        *told.entry(event.kind.name()).or_default() += 1;
    }
    told.into_iter().collect()
}

fn stands(endpoint: &Endpoint) -> (Override, u32) {
    let standing = &endpoint.live.standing;
    (standing.operator(), standing.weight(endpoint.weight))
}

#[test]
fn what_is_said_is_in_force_at_once_and_enable_takes_it_back() {
    let (operators, endpoint) = (nowhere(), testing::endpoint());
    operators.say(&endpoint, Command::Drain, note("a new disk"), Sessions::None).unwrap();
    assert_eq!(stands(&endpoint), (Override::Drained, 1));
    assert!(endpoint.live.standing.is_taken_out());
    operators.say(&endpoint, Command::Weight(Some(7)), note("half"), Sessions::None).unwrap();
    operators.say(&endpoint, Command::Disable, note("smoke"), Sessions::None).unwrap();
    assert_eq!(stands(&endpoint), (Override::Disabled, 7));
    operators.say(&endpoint, Command::Enable, note("done"), Sessions::None).unwrap();
    assert_eq!(stands(&endpoint), (Override::Configured, 7), "a weight is another matter");
    operators.say(&endpoint, Command::Weight(None), note("done"), Sessions::None).unwrap();
    assert_eq!(stands(&endpoint), (Override::Configured, 1));
    assert!(operators.said.is_empty());
    assert_eq!(told(&operators), [("operator", 5)]);
}

#[test]
fn enable_goes_before_the_configuration_and_the_agent() {
    let (operators, mut endpoint) = (nowhere(), testing::endpoint());
    endpoint.draining = true;
    operators.say(&endpoint, Command::Enable, note("it is needed"), Sessions::None).unwrap();
    assert_eq!(stands(&endpoint).0, Override::Enabled);
    endpoint.draining = false;
    endpoint.live.standing.set_agent(Override::Disabled, "maint");
    operators.say(&endpoint, Command::Enable, note("it is needed"), Sessions::None).unwrap();
    assert_eq!(stands(&endpoint).0, Override::Enabled);
}

#[tokio::test]
async fn what_was_said_holds_for_a_process_that_starts_later() {
    let folder = folder("later");
    let (operators, endpoint) = (Operators::load(Some(&folder), Arc::default()), testing::endpoint());
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    operators
        .say(&endpoint, Command::Drain, Note { until: Some(until), ..note("a new \"disk\"\n") }, Sessions::None)
        .unwrap();
    operators.say(&endpoint, Command::Weight(Some(0)), note("none"), Sessions::None).unwrap();
    assert!(operators.keep().await);

    let (later, fresh) = (Operators::load(Some(&folder), Arc::default()), Arc::new(testing::endpoint()));
    later.apply(std::iter::once(&fresh));
    assert_eq!(stands(&fresh), (Override::Drained, 0));
    assert!(!later.expire(until - Duration::from_secs(1), std::iter::once(&fresh)));
    assert!(later.expire(until, std::iter::once(&fresh)));
    assert_eq!(stands(&fresh), (Override::Configured, 0), "the weight was to hold for ever");
    assert_eq!(told(&later), [("operator_expired", 1)]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_ran_out_while_no_process_was_there_does_not_hold_for_a_moment() {
    let folder = folder("ran-out");
    let (before, endpoint) = (Operators::load(Some(&folder), Arc::default()), testing::endpoint());
    let over = Note { until: Some(SystemTime::now() - Duration::from_secs(1)), ..note("a new disk") };
    before.say(&endpoint, Command::Drain, over, Sessions::None).unwrap();
    before.say(&endpoint, Command::Weight(Some(7)), note("half"), Sessions::None).unwrap();
    assert!(before.keep().await);
    let (later, fresh) = (Operators::load(Some(&folder), Arc::default()), Arc::new(testing::endpoint()));
    later.apply(std::iter::once(&fresh));
    assert_eq!(stands(&fresh), (Override::Configured, 7));
    assert_eq!(told(&later), [("operator_expired", 1)]);
    assert!(later.expire(SystemTime::now(), std::iter::once(&fresh)), "the file is to be written");
    assert!(!later.expire(SystemTime::now(), std::iter::once(&fresh)));
    assert!(later.keep().await);
    assert_eq!(told(&Operators::load(Some(&folder), Arc::default())), [], "it is told once, and not at each start");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_command_that_is_repeated_without_a_word_keeps_why_and_until_when() {
    let (operators, endpoint) = (nowhere(), testing::endpoint());
    let bare = || Note { reason: None, ..note("") };
    let until = Some(SystemTime::now() + Duration::from_secs(60));
    operators.say(&endpoint, Command::Drain, Note { until, ..note("a new disk") }, Sessions::None).unwrap();
    operators.say(&endpoint, Command::Drain, bare(), Sessions::None).unwrap();
    let kept = |operators: &Operators| operators.said.iter().next().and_then(|said| said.wanted.clone()).unwrap().1;
    assert_eq!(kept(&operators), Note { until, ..note("a new disk") });
    operators.say(&endpoint, Command::Drain, note("for good"), Sessions::None).unwrap();
    assert_eq!(kept(&operators), note("for good"));
    operators.say(&endpoint, Command::Disable, bare(), Sessions::None).unwrap();
    assert_eq!(kept(&operators), bare(), "another command is another matter");
}

#[tokio::test]
async fn what_another_process_was_told_meanwhile_holds_and_what_was_taken_back_there_does_not() {
    let folder = folder("successor");
    let (before, endpoint) = (Operators::load(Some(&folder), Arc::default()), testing::endpoint());
    before.say(&endpoint, Command::Disable, note("smoke"), Sessions::None).unwrap();
    assert!(before.keep().await);
    let (successor, own) = (Operators::load(Some(&folder), Arc::default()), Arc::new(testing::endpoint()));
    successor.apply(std::iter::once(&own));
    assert_eq!(stands(&own).0, Override::Disabled);

    before.say(&endpoint, Command::Enable, note("it was steam"), Sessions::None).unwrap();
    assert!(before.keep().await);
    before.retire();
    assert!(!before.keep().await, "from now on the file is another one's");
    successor.reload();
    successor.apply(std::iter::once(&own));
    assert_eq!(stands(&own).0, Override::Configured);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_understood_is_set_aside_and_nothing_is_written_over_it() {
    let folder = folder("damaged");
    for damaged in [
        "",
        "{",
        r#"{"version":2,"said":[]}"#,
        r#"{"version":1,"said":[{"service":"a","backend":"b","command":"sell","who":"c"}]}"#,
    ] {
        std::fs::write(folder.join(file::NAME), damaged).unwrap();
        let operators = Operators::load(Some(&folder), Arc::default());
        assert!(operators.said.is_empty());
        assert!(operators.keep().await);
        assert_eq!(std::fs::read_to_string(folder.join("operators.json.damaged")).unwrap(), damaged);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_can_not_be_written_is_told_once_and_holds_all_the_same() {
    let folder = folder("gone");
    let state = folder.join("state");
    // nobody makes a folder where a file is, root neither
    std::fs::write(&state, "").unwrap();
    let (operators, endpoint) = (Operators::load(Some(&state), Arc::default()), testing::endpoint());
    operators.say(&endpoint, Command::Disable, note("smoke"), Sessions::None).unwrap();
    for _ in 0..3 {
        assert!(!operators.keep().await);
    }
    assert_eq!(stands(&endpoint).0, Override::Disabled);
    assert_eq!(told(&operators), [("operator", 1), ("operator_not_kept", 1)], "it is told once");
    std::fs::remove_file(&state).unwrap();
    assert!(operators.keep().await, "the folder is made when it is needed");
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::write(&state, "").unwrap();
    assert!(!operators.keep().await);
    assert_eq!(told(&operators), [("operator", 1), ("operator_not_kept", 2)], "another time is news");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn while_another_process_starts_no_command_is_taken_and_those_before_are_in_the_file() {
    let folder = folder("upgrade");
    let (operators, endpoint) = (Operators::load(Some(&folder), Arc::default()), testing::endpoint());
    operators.say(&endpoint, Command::Drain, note("a new disk"), Sessions::None).unwrap();
    let in_the_file = async {
        operators.hand_over().await;
        Operators::load(Some(&folder), Arc::default()).said.len()
    };
    assert_eq!(tokio::join!(operators.keep(), in_the_file), (true, 1));
    let refused = operators.say(&endpoint, Command::Disable, note("smoke"), Sessions::None);
    assert_eq!((refused, stands(&endpoint).0), (Err(Role::HandingOver), Override::Drained));
    let until = SystemTime::UNIX_EPOCH;
    assert!(!operators.expire(until, std::iter::empty()), "nor does one expire here");
    operators.take_back();
    operators.say(&endpoint, Command::Disable, note("smoke"), Sessions::None).unwrap();
    operators.retire();
    let refused = operators.say(&endpoint, Command::Enable, note("done"), Sessions::None);
    assert_eq!((refused, stands(&endpoint).0), (Err(Role::Replaced), Override::Disabled));
    std::fs::remove_dir_all(folder).unwrap();
}
