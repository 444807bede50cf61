use super::*;
use crate::canary::Stage;

fn plan(steps: &[u32]) -> Plan {
    Plan {
        steps: steps.into(),
        every: Duration::from_secs(60),
        stops_on_errors: true,
        stops_on_latency: true,
        min_requests: 100,
    }
}

/// The canary `new` of `old`, taken on by this plan: its share.
fn take_on(canaries: &Canaries, plan: &Plan) -> u32 {
    let (service, stable) = ("new".into(), "old".into());
    let wanted = Wanted { service: &service, stable: &stable, plan };
    canaries.update([wanted].into_iter(), Moment::from_millis(1_000))[0]
}

fn told(events: &Events) -> Vec<&'static str> {
    events.newest(100).events.iter().map(|event| event.kind.name()).collect()
}

#[test]
fn a_plan_goes_on_over_reloads_and_one_that_has_changed_begins_anew() {
    let events: Arc<Events> = Arc::default();
    let canaries = Canaries::load(None, Arc::clone(&events));
    assert_eq!(take_on(&canaries, &plan(&[100, 10_000])), 100);
    let new: Arc<str> = "new".into();
    let now = Moment::from_millis(2_000);
    assert_eq!(canaries.say(&new, Word::Promote, "ann", now), Ok(10_000));
    assert_eq!(take_on(&canaries, &plan(&[100, 10_000])), 10_000);
    assert_eq!(take_on(&canaries, &plan(&[200, 10_000])), 200);
    assert_eq!(told(&events), ["canary_step", "canary_arrived", "canary_step"]);
    assert!(canaries.say(&"other".into(), Word::Back, "ann", now).unwrap_err().contains("no route has"));
    assert_eq!(canaries.update(std::iter::empty(), now), Vec::<u32>::new());
    assert_eq!(canaries.shown("new", now), None);
}

#[tokio::test]
async fn where_a_canary_is_outlives_a_restart() {
    let folder = std::env::temp_dir().join(format!("evenkeel-canaries-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let (new, now): (Arc<str>, _) = ("new".into(), Moment::from_millis(2_000));
    let first = Canaries::load(Some(&folder), Arc::default());
    take_on(&first, &plan(&[100, 10_000]));
    first.say(&new, Word::Back, "ann", now).unwrap();
    assert!(first.keep().await);
    let events: Arc<Events> = Arc::default();
    let second = Canaries::load(Some(&folder), Arc::clone(&events));
    assert_eq!(take_on(&second, &plan(&[100, 10_000])), 0);
    let shown = second.shown("new", now).unwrap();
    assert_eq!((shown.standing.stage, &*shown.standing.reason), (Stage::Back, "sent back by ann"));
    assert_eq!(told(&events), [""; 0], "nothing has happened to it");
    let third = Canaries::load(Some(&folder), Arc::default());
    assert_eq!(take_on(&third, &plan(&[500, 10_000])), 500, "another plan");
    std::fs::write(folder.join(file::NAME), "{").unwrap();
    assert_eq!(take_on(&Canaries::load(Some(&folder), Arc::default()), &plan(&[100, 10_000])), 100);
    std::fs::remove_dir_all(&folder).unwrap();
}
