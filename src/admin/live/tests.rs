use std::time::Duration;

use axum::body::Body;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;

use super::*;
use crate::admin::routes::tests::{ask, shared};
use crate::endpoint::standing::Override;
use crate::lead::Leadership;
use crate::snapshot::{Snapshot, testing};

const PATIENCE: Duration = Duration::from_secs(20);

/// Everything in the process, with these services of two backends each.
fn with(services: &[&str]) -> Arc<Shared> {
    let shared = shared(None);
    let next = snapshot(&shared, services);
    shared.store.replace(next, Moment::now());
    shared
}

fn snapshot(shared: &Shared, services: &[&str]) -> Snapshot {
    let mut text = "[[listener]]\nname = 'web'\nbind = '127.0.0.1:1'\nservice = 'api'\n".to_owned();
    for name in services {
        let backend = |id: &str, port: u16| format!("{{ address = '127.0.0.1:{port}', id = '{id}' }}");
        text += &format!("[service.{name}]\nbackend = [{}, {}]\n", backend("a", 1), backend("b", 2));
    }
    testing::of_toml(&text, Some(&shared.store.load()), &shared.registry)
}

async fn get(shared: &Arc<Shared>, path: &str) -> (StatusCode, Value) {
    let answer = ask(shared, Method::GET, path, HeaderMap::new()).await;
    let (head, body) = answer.into_parts();
    (head.status, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
}

/// The body of a stream of this view.
async fn stream(shared: &Arc<Shared>, path: &str) -> Body {
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/event-stream"))]);
    let answer = ask(shared, Method::GET, path, headers).await;
    assert_eq!(
        (answer.status(), &answer.headers()[CONTENT_TYPE]),
        (StatusCode::OK, &HeaderValue::from_static("text/event-stream"))
    );
    answer.into_body()
}

/// The next event of a stream: its name and its data; comments are skipped.
async fn next(stream: &mut Body) -> (String, Value) {
    loop {
        let frame = tokio::time::timeout(PATIENCE, async { stream.frame().await.unwrap().unwrap() }).await.unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        if let Some((name, data)) = text.strip_prefix("event: ").and_then(|rest| rest.split_once("\ndata: ")) {
            return (name.to_owned(), serde_json::from_str(data.trim_end()).unwrap());
        }
    }
}

/// Has an operator drain the backend `a` of this service.
fn drain(shared: &Shared, service: &str) {
    let service = shared.service(service).unwrap();
    service.endpoints[0].live.standing.set_operator(Override::Drained, "a new disk");
    shared.store.refresh(Moment::now(), true);
}

#[tokio::test]
async fn the_document_shows_all_services_and_on_request_more_of_one() {
    let shared = with(&["api", "web"]);
    let (status, all) = get(&shared, "/api/v1/live").await;
    assert_eq!((status, all["services"]["web"]["total"].as_u64()), (StatusCode::OK, Some(2)));
    assert!(all.get("service").is_none());
    let (_, one) = get(&shared, "/api/v1/live?service=api").await;
    assert_eq!(
        (&one["service"]["name"], &one["service"]["backends"]["b"]["address"]),
        (&json!("api"), &json!("127.0.0.1:2"))
    );
    for (wrong, status) in [("?service=nothing", 404), ("?backend=a", 400)] {
        assert_eq!(get(&shared, &format!("/api/v1/live{wrong}")).await.0.as_u16(), status, "{wrong}");
    }
}

#[tokio::test]
async fn no_member_of_the_document_is_null() {
    fn has_null(value: &Value) -> bool {
        value.as_object().is_some_and(|members| members.values().any(|value| value.is_null() || has_null(value)))
    }
    let shared = with(&["api"]);
    shared.recoveries.pause("somebody", None, crate::clock::Stamp::now());
    let (_, document) = get(&shared, "/api/v1/live?service=api").await;
    assert!(!has_null(&document), "{document:#}");
    assert_eq!((&document["recovery"]["paused"], &document["recovery"]["by"]), (&json!(true), &json!("somebody")));
}

#[tokio::test]
async fn the_document_names_the_instance_and_the_leader_where_there_is_a_cluster() {
    assert!(get(&with(&["api"]), "/api/v1/live").await.1.get("cluster").is_none());
    let mut shared = with(&["api"]);
    Arc::get_mut(&mut shared).unwrap().leadership = Arc::new(Leadership::of_another("edge-1", "edge-2"));
    let shown = json!({
        "name": "edge-1", "elected": true, "leader": false, "leader_name": "edge-2", "why_not": "edge-2 is the leader",
    });
    assert_eq!(get(&shared, "/api/v1/live").await.1["cluster"], shown);
}

#[tokio::test(start_paused = true)]
async fn a_stream_begins_with_the_whole_and_goes_on_with_what_has_changed() {
    let shared = with(&["api", "web"]);
    tokio::spawn(run(Arc::clone(&shared)));
    let (mut page, mut other) =
        (stream(&shared, "/api/v1/live?service=api").await, stream(&shared, "/api/v1/live").await);
    let (name, whole) = next(&mut page).await;
    assert_eq!((&*name, &whole["service"]["history"]["step_s"]), ("whole", &json!(10)));
    assert_eq!(next(&mut other).await.0, "whole");
    drain(&shared, "api");
    let (name, patch) = next(&mut page).await;
    assert_eq!((&*name, &patch["services"]), ("patch", &json!({ "api": { "healthy": 1 } })));
    let backend = &patch["service"]["backends"]["a"];
    assert_eq!(
        (&backend["state"], &backend["reason"], backend.get("address")),
        (&json!("draining"), &json!("a new disk"), None)
    );
    assert_eq!(
        next(&mut other).await.1,
        json!({ "services": { "api": { "healthy": 1 } } }),
        "it does not look at a service"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_away_goes_out_of_the_document_and_the_stream_goes_on() {
    let shared = with(&["api", "web"]);
    tokio::spawn(run(Arc::clone(&shared)));
    let mut page = stream(&shared, "/api/v1/live?service=web").await;
    next(&mut page).await;
    shared.store.replace(snapshot(&shared, &["api"]), Moment::now());
    let (_, patch) = next(&mut page).await;
    assert_eq!((&patch["service"], &patch["services"]), (&Value::Null, &json!({ "web": null })));
    shared.store.replace(snapshot(&shared, &["api", "web"]), Moment::now());
    assert_eq!(next(&mut page).await.1["service"]["name"], "web", "it is back");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_process_drains() {
    let shared = with(&["api"]);
    let mut page = stream(&shared, "/api/v1/live").await;
    next(&mut page).await;
    shared.enter(crate::admin::Phase::Draining);
    assert!(tokio::time::timeout(PATIENCE, page.frame()).await.unwrap().is_none());
}

#[tokio::test]
async fn rates_are_those_of_the_last_seconds() {
    let shared = with(&["api"]);
    let now = Moment::now();
    let name = Arc::from("api");
    let frames = shared.live.watch(&shared, Some(&name), now);
    let [a, b] = ["a", "b"].map(|id| shared.registry.requests("web", "api", id));
    (0..30).for_each(|_| a.count(0, 200));
    (0..10).for_each(|_| b.count(0, 503));
    let totals = shared.registry.totals("api");
    (0..40).for_each(|n| totals.requests.count(0, if n < 30 { 200 } else { 503 }));
    shared.live.refresh(&shared, now.plus(Duration::from_secs(2)));
    let document = frames.borrow().document.to_json();
    let service = &document["services"]["api"];
    assert_eq!(
        (&service["rate"], &service["error_rate"], &service["state"]),
        (&json!(20.0), &json!(0.25), &json!("impaired"))
    );
    let of = |id: &str| document["service"]["backends"][id].clone();
    assert_eq!(
        (&of("a")["rate"], &of("a")["share"], &of("a")["error_rate"]),
        (&json!(15.0), &json!(0.75), &json!(0.0))
    );
    assert_eq!((&of("b")["rate"], &of("b")["share"], &of("b")["error_rate"]), (&json!(5.0), &json!(0.25), &json!(1.0)));
    (3..=10).for_each(|second| _ = shared.live.refresh(&shared, now.plus(Duration::from_secs(second))));
    assert_eq!(frames.borrow().document.to_json()["services"]["api"]["rate"], json!(0.0));
}

#[tokio::test]
async fn all_who_look_at_the_same_get_the_same_document_and_who_is_slow_gets_one_patch_for_several() {
    let shared = with(&["api", "web"]);
    let (now, second) = (Moment::now(), Duration::from_secs(1));
    let source = || {
        let mut frames = shared.live.watch(&shared, None, now);
        let sent = frames.borrow_and_update().document.clone();
        LiveSource { frames, sent, history: None }
    };
    let (mut quick, mut slow) = (source(), source());
    assert!(quick.sent.is_same(&slow.sent));
    let text = |text: Option<Bytes>| String::from_utf8(text.unwrap().to_vec()).unwrap();
    drain(&shared, "api");
    shared.live.refresh(&shared, now.plus(second));
    assert_eq!(text(quick.next().await), "event: patch\ndata: {\"services\":{\"api\":{\"healthy\":1}}}\n\n");
    drain(&shared, "web");
    shared.live.refresh(&shared, now.plus(2 * second));
    assert_eq!(text(quick.next().await), "event: patch\ndata: {\"services\":{\"web\":{\"healthy\":1}}}\n\n");
    assert_eq!(
        text(slow.next().await),
        "event: patch\ndata: {\"services\":{\"api\":{\"healthy\":1},\"web\":{\"healthy\":1}}}\n\n"
    );
    assert!(quick.sent.is_same(&slow.sent));
}

#[tokio::test]
async fn documents_are_made_only_while_somebody_watches_or_has_asked_of_late() {
    let shared = with(&["api"]);
    let (now, later) = (Moment::now(), |seconds| Moment::now().plus(Duration::from_secs(seconds)));
    assert!(!shared.live.refresh(&shared, now));
    get(&shared, "/api/v1/live").await;
    assert!(shared.live.refresh(&shared, later(5)), "it may be asked for again");
    let stream = shared.live.watch(&shared, None, now);
    assert!(shared.live.refresh(&shared, later(60)));
    drop(stream);
    assert!(!shared.live.refresh(&shared, later(60)));
}
