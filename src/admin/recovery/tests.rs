use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;

use super::*;
use crate::admin::routes::tests::{ask, ask_with, shared};
use crate::operator::recovery::{Asked, Effectiveness, Mode};
use crate::recover::attempt::Said;
use crate::recover::{Outcome, Phase};

fn attempt(id: i64, service: &str) -> Attempt {
    Attempt {
        id,
        service: service.to_owned(),
        backend: Some("a".to_owned()),
        fault: "unresponsive".to_owned(),
        strategy: "restart".to_owned(),
        phase: Phase::Acting,
        start: id * 1_000,
        raised: id * 1_000 - 500,
        votes: vec![Said { by: "reachability".to_owned(), text: "refused".to_owned() }],
        ..Attempt::default()
    }
}

fn healed(id: i64, service: &str) -> Attempt {
    let start = id * 1_000;
    let (phase, outcome, end) = (Phase::Ended, Some(Outcome::Healed), Some(start + 4_000));
    Attempt { phase, outcome, end, recovery_ms: Some(2_500), credited: true, ..attempt(id, service) }
}

async fn body(answer: Answer) -> Value {
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

async fn get(shared: &Arc<Shared>, path: &str) -> Value {
    body(ask(shared, Method::GET, path, HeaderMap::new()).await).await
}

async fn post(shared: &Arc<Shared>, path: &str, said: &'static str) -> (u16, Value) {
    let answer = ask_with(shared, Method::POST, path, HeaderMap::new(), said).await;
    (answer.status().as_u16(), body(answer).await)
}

fn ids(all: &Value) -> Vec<i64> {
    all.as_array().unwrap().iter().map(|attempt| attempt["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn attempts_are_listed_the_newest_first_as_far_as_they_are_asked_for() {
    let shared = shared(None);
    for ended in [healed(1, "api"), healed(2, "web"), healed(3, "api")] {
        shared.recoveries.note_ended(ended);
    }
    shared.recoveries.set_current(vec![attempt(4, "api")]);
    assert_eq!(ids(&get(&shared, "/api/v1/recoveries").await), [4, 3, 2, 1]);
    assert_eq!(ids(&get(&shared, "/api/v1/recoveries?service=api&limit=2").await), [4, 3]);
    assert_eq!(ids(&get(&shared, "/api/v1/recoveries?since=2").await), [4, 3]);
    assert_eq!(ids(&get(&shared, "/api/v1/recoveries?since=1970-01-01T00:00:03Z").await), [4, 3]);
    let wrong = ask(&shared, Method::GET, "/api/v1/recoveries?since=soon", HeaderMap::new()).await;
    assert_eq!(wrong.status(), 400);
    let misspelt = ask(&shared, Method::GET, "/api/v1/recoveries?service=aip", HeaderMap::new()).await;
    assert_eq!(
        (misspelt.status().as_u16(), body(misspelt).await["detail"].clone()),
        (404, json!("there is no service \"aip\""))
    );
}

#[tokio::test]
async fn of_an_attempt_that_is_over_it_is_said_why_nothing_can_be_done_with_it() {
    let shared = shared(None);
    shared.recoveries.note_ended(healed(1, "api"));
    let mut inbox = shared.recoveries.take_inbox().unwrap();
    let drive = async {
        for _ in 0..2 {
            let Asked { answer, .. } = inbox.recv().await.unwrap();
            answer.send(Err("attempt 1 is not under way".to_owned())).unwrap();
        }
    };
    let say = async {
        let refused = post(&shared, "/api/v1/recoveries/1/refuse", "").await;
        (refused, post(&shared, "/api/v1/recoveries/1/undo", "").await)
    };
    let (_, ((code, refused), (_, undone))) = tokio::join!(drive, say);
    assert_eq!(
        (code, &refused["detail"]),
        (409, &json!("attempt 1 does not wait to be approved: it has ended as healed"))
    );
    assert!(undone["detail"].as_str().unwrap().contains("nothing of it is in force"), "{undone}");
}

#[tokio::test]
async fn an_attempt_has_the_members_of_the_contract_and_more() {
    let shared = shared(None);
    shared.recoveries.note_ended(healed(7, "api"));
    let shown = get(&shared, "/api/v1/recoveries/7").await;
    let contract = json!({
        "service": "api", "fault": "unresponsive", "strategy": "restart", "start": "1970-01-01T00:00:07.000Z",
        "end": "1970-01-01T00:00:11.000Z", "success": true, "recovery_s": 2.5, "phase": "ended", "outcome": "healed",
        "votes": [{ "by": "reachability", "text": "refused" }], "act": null,
    });
    for (name, value) in contract.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    shared.recoveries.set_current(vec![attempt(8, "api")]);
    let under_way = get(&shared, "/api/v1/recoveries/8").await;
    assert!(under_way["success"].is_null() && under_way["end"].is_null(), "{under_way}");
    for path in ["/api/v1/recoveries/9", "/api/v1/recoveries/x"] {
        assert_eq!(ask(&shared, Method::GET, path, HeaderMap::new()).await.status(), 404);
    }
    let text = ask(&shared, Method::GET, "/api/v1/recoveries?format=markdown", HeaderMap::new()).await;
    let text = text.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("## Attempt 7: restart against unresponsive of api/a"), "{text}");
}

#[tokio::test]
async fn recovery_is_paused_and_resumed_and_says_by_whom_and_why() {
    let shared = shared(None);
    assert_eq!(get(&shared, "/api/v1/recovery").await["paused"], false);
    let (status, said) = post(&shared, "/api/v1/recovery/pause", "{\"reason\": \"a migration\"}").await;
    assert_eq!((status, &said["paused"], &said["reason"]), (200, &json!(true), &json!("a migration")));
    assert_eq!(said["kept"], false, "there is no ledger");
    assert!(shared.recoveries.is_paused());
    assert_eq!(get(&shared, "/api/v1/recovery").await["who"], "0.0.0.0");
    let (status, said) = post(&shared, "/api/v1/recovery/resume", "").await;
    assert_eq!((status, &said["paused"]), (200, &json!(false)));
    assert!(!shared.recoveries.is_paused());
    assert_eq!(post(&shared, "/api/v1/recovery/pause", "{\"why\": 1}").await.0, 400);
}

#[tokio::test]
async fn the_state_of_recovery_says_for_each_service_what_runs_and_what_holds_it_back() {
    let shared = shared(None);
    shared.recoveries.set_services(BTreeMap::from([("api".into(), Mode { dry_run: true, asks: true })]));
    shared.recoveries.set_braked(BTreeMap::from([("api".into(), "2 of 3 backends are unwell".to_owned())]));
    let in_force = Attempt { in_force: true, ..healed(2, "api") };
    shared.recoveries.set_current(vec![attempt(1, "api"), in_force, attempt(3, "web")]);
    let state = get(&shared, "/api/v1/recovery").await;
    let expected = json!({ "api": {
        "dry_run": true, "approve": "ask", "braked": "2 of 3 backends are unwell", "running": [1], "in_force": [2],
    } });
    assert_eq!(state["services"], expected);
    shared.recoveries.pause("ann", None, Stamp::now());
    let short = &in_short(&shared)["api"];
    assert_eq!((&short["paused"], &short["running"]), (&json!(true), &json!([1])));
    assert_eq!(ids(&short["attempts"]), [1, 2]);
    assert_eq!((&short["attempts"][0]["phase"], &short["attempts"][1]["in_force"]), (&json!("acting"), &json!(true)));
}

#[tokio::test]
async fn what_was_learned_is_shown_by_service_fault_and_strategy() {
    let shared = shared(None);
    assert_eq!(get(&shared, "/api/v1/recoveries/effectiveness").await, json!({}));
    shared.recoveries.set_effectiveness(vec![Effectiveness {
        service: "api".into(),
        fault: "unresponsive".to_owned(),
        strategy: "restart".into(),
        effectiveness: 0.750_000_000_000_1,
        attempts: 4,
        successes: 3,
        credited: 2,
    }]);
    let row = json!({ "effectiveness": 0.75, "attempts": 4, "successes": 3, "credited": 2 });
    let expected = json!({ "api": { "unresponsive": { "restart": row } } });
    assert_eq!(get(&shared, "/api/v1/recoveries/effectiveness").await, expected);
    assert_eq!(get(&shared, "/api/v1/recoveries/effectiveness?service=api").await, expected);
    for (query, status) in [("service=aip", 404), ("fault=unresponsive", 400)] {
        let path = format!("/api/v1/recoveries/effectiveness?{query}");
        assert_eq!(ask(&shared, Method::GET, &path, HeaderMap::new()).await.status(), status);
    }
}

#[tokio::test]
async fn what_an_operator_says_of_an_attempt_is_answered_by_whoever_drives_it() {
    let shared = shared(None);
    shared.recoveries.set_current(vec![attempt(1, "api")]);
    let (status, said) = post(&shared, "/api/v1/recoveries/1/approve", "").await;
    assert_eq!(status, 503, "nobody drives: {said}");
    assert_eq!(post(&shared, "/api/v1/recoveries/2/stop", "").await.0, 404);
    let mut inbox = shared.recoveries.take_inbox().unwrap();
    let drive = async {
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let Asked { command, answer } = inbox.recv().await.unwrap();
            let answered = match command.word {
                Word::Approve => Ok(Attempt { who: Some(command.who.clone()), ..attempt(1, "api") }),
                _ => Err("attempt 1 has done nothing that could be taken back".to_owned()),
            };
            answer.send(answered).unwrap();
            seen.push(command);
        }
        seen
    };
    let say = async {
        let approved = post(&shared, "/api/v1/recoveries/1/approve", "{\"reason\": \"go\"}").await;
        (approved, post(&shared, "/api/v1/recoveries/1/undo", "").await)
    };
    let (seen, ((approved, attempt), (refused, why))) = tokio::join!(drive, say);
    assert_eq!((approved, &attempt["who"]), (200, &json!("0.0.0.0")));
    assert_eq!((refused, &why["detail"]), (409, &json!("attempt 1 has done nothing that could be taken back")));
    assert_eq!((seen[0].word, seen[0].reason.as_deref(), seen[1].word), (Word::Approve, Some("go"), Word::Undo));
}
