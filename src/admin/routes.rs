//! The paths of the admin address, and the handlers that answer them.
//!
//! A handler is an `async fn` in the file of its resource. It may wait, since nothing else waits for it but the connection that asked;
//! it takes what it needs as arguments (the [`Shared`], the [`Caller`](super::caller::Caller), the [`WholeBody`](super::body::WholeBody) body, the
//! query as [`RawQuery`](axum::extract::RawQuery)), and returns an [`Answer`] or a [`Problem`]. An answer whose body has no known
//! length is a stream: see [`serve`](super::serve).

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::{MethodRouter, get, post, put};
use axum::{Router, middleware};
use http::StatusCode;
use http::header::{ALLOW, HeaderValue};

use super::answer::Problem;
use super::{
    Shared, backends, canary, certificates, cluster, events, faults, guard, hand_over, history, live, login,
    maintenance_page, metrics, page, pick, probes, recovery, reload, ring, route_list, service_maintenance, sla,
    status, why,
};
use crate::canary::Word as CanaryWord;
use crate::operator::Command;
use crate::recover::Word;

/// The methods of a path that changes nothing.
const READ: &str = "GET, HEAD";

/// All paths, behind the guard. A HEAD is answered as the GET would be, without the body.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", allow(READ, get(probes::health)))
        .route("/readyz", allow(READ, get(probes::ready)))
        .route("/", allow(READ, get(page::page)))
        .route("/assets/{file}", allow(READ, get(page::asset)))
        .route(login::LOGIN, allow("POST", post(login::login)))
        .route(login::LOGOUT, allow("POST", post(login::logout)))
        .route("/metrics", allow(READ, get(metrics::show)))
        .route("/api/v1/status", allow(READ, get(status::show)))
        .route("/api/v1/config", allow(READ, get(status::show_config)))
        .route("/api/v1/live", allow(READ, get(live::live)))
        .route("/api/v1/history", allow(READ, get(history::history)))
        .route("/api/v1/routes", allow(READ, get(route_list::routes)))
        .route("/api/v1/certificates", allow(READ, get(certificates::certificates)))
        .route("/api/v1/events", allow(READ, get(events::events)))
        .route("/api/v1/faults", allow(READ, get(faults::faults)))
        .route("/api/v1/sla", allow(READ, get(sla::sla)))
        .route("/api/v1/sla/report", allow(READ, get(sla::report)))
        .route("/api/v1/sla/incidents/{number}/note", allow("POST", post(sla::note)))
        .route(
            "/api/v1/services/{service}/maintenance",
            allow(
                "GET, HEAD, POST, DELETE",
                get(service_maintenance::show).post(service_maintenance::start).delete(service_maintenance::stop),
            ),
        )
        .route(
            "/api/v1/listeners/{listener}/maintenance",
            allow(
                "GET, HEAD, POST, DELETE",
                get(maintenance_page::shown).post(maintenance_page::show).delete(maintenance_page::end_shown),
            ),
        )
        .route("/api/v1/why", allow(READ, get(why::why)))
        .route("/api/v1/pick", allow(READ, get(pick::pick)))
        .route("/api/v1/ring", allow(READ, get(ring::ring)))
        .route("/api/v1/reload", allow("POST", post(reload::reload)))
        .route("/api/v1/hand-over", allow("POST", post(hand_over::hand_over)))
        .route("/api/v1/heartbeat", allow("POST", post(backends::heartbeat)))
        .merge(of_backends())
        .merge(of_canaries())
        .merge(of_recovery())
        .fallback(nothing)
        .layer(middleware::from_fn_with_state(Arc::clone(shared), guard::guard))
        .with_state(Arc::clone(shared))
}

/// The paths of what operators say of a backend.
fn of_backends() -> Router<Arc<Shared>> {
    let path = |rest: &str| format!("/api/v1/services/{{service}}/backends/{{backend}}{rest}");
    let said = |command: Command| {
        allow(
            "POST",
            post(move |state, named, caller, query, body| {
                backends::command(command, state, named, caller, query, body)
            }),
        )
    };
    Router::new()
        .route(&path(""), allow("PUT", put(backends::weigh)))
        .route(&path("/drain"), said(Command::Drain))
        .route(&path("/disable"), said(Command::Disable))
        .route(&path("/enable"), said(Command::Enable))
}

/// The paths of canaries.
fn of_canaries() -> Router<Arc<Shared>> {
    let path = "/api/v1/services/{service}/canary";
    let said = |word: CanaryWord| {
        allow("POST", post(move |state, named, caller, body| canary::command(word, state, named, caller, body)))
    };
    let shown = Router::new().route(path, allow(READ, get(canary::show)));
    let paths =
        |paths: Router<Arc<Shared>>, word: CanaryWord| paths.route(&format!("{path}/{}", word.as_str()), said(word));
    CanaryWord::ALL.into_iter().fold(shown, paths)
}

/// The paths of recovery.
fn of_recovery() -> Router<Arc<Shared>> {
    let said = |word: Word| {
        allow("POST", post(move |state, number, caller, body| recovery::command(word, state, number, caller, body)))
    };
    let words = [Word::Approve, Word::Refuse, Word::Undo, Word::Stop];
    words.into_iter().fold(
        Router::new()
            .route("/api/v1/cluster", allow(READ, get(cluster::show)))
            .route("/api/v1/recovery", allow(READ, get(recovery::state)))
            .route("/api/v1/recovery/pause", allow("POST", post(recovery::pause)))
            .route("/api/v1/recovery/resume", allow("POST", post(recovery::resume)))
            .route("/api/v1/recoveries", allow(READ, get(recovery::list)))
            .route("/api/v1/recoveries/effectiveness", allow(READ, get(recovery::effectiveness)))
            .route("/api/v1/recoveries/{number}", allow(READ, get(recovery::show))),
        |paths, word| paths.route(&format!("/api/v1/recoveries/{{number}}/{}", word.as_str()), said(word)),
    )
}

/// The handlers of a path. Other methods than these get a 405 that names them.
fn allow(methods: &'static str, handlers: MethodRouter<Arc<Shared>>) -> MethodRouter<Arc<Shared>> {
    handlers.fallback(move |request: Request| async move {
        let detail = format!("{} can't be asked to {}", request.uri().path(), request.method());
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).field(ALLOW, HeaderValue::from_static(methods))
    })
}

async fn nothing(request: Request) -> Problem {
    Problem::not_found(format!("there is nothing at {}", request.uri().path()))
}

#[cfg(test)]
pub(super) mod tests {
    use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
    use http::{HeaderMap, Method};
    use http_body_util::BodyExt as _;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use serde_json::json;

    use super::*;
    use crate::admin::answer::Answer;
    use crate::admin::{Effective, Phase, Promises, Sources};
    use crate::health::monitor::Monitor;
    use crate::ledger::{Keeper, Ledger};
    use crate::metrics::Registry;
    use crate::operator::Operators;
    use crate::operator::maintenance::Maintenances;
    use crate::operator::recovery::Recoveries;
    use crate::policy::{Access, AdminToken, TokenSecret};
    use crate::snapshot::{Snapshot, Store};
    use crate::why::{self, Why};

    const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

    fn token_of(name: &str, secret: &str, access: Access) -> AdminToken {
        AdminToken { name: name.into(), secret: TokenSecret::new(secret), access }
    }

    pub(in crate::admin) fn shared(token: Option<&str>) -> Arc<Shared> {
        let monitor = Monitor::new(1, Arc::default(), Arc::new(|_, _| Ok(())));
        let recoveries = Arc::new(Recoveries::new(Arc::default(), Ledger::default(), Keeper(1)));
        Arc::new(Shared::new(Sources {
            why: Why::new(why::Sources { ejector: Arc::default(), monitor, faults: Arc::default(), recoveries }),
            leadership: Arc::default(),
            sharing: Arc::new(crate::share::Sharing::new(std::path::Path::new(""), Arc::default())),
            discovered: Arc::default(),
            promises: Promises {
                ledger: Ledger::default(),
                standings: Arc::default(),
                maintenances: Arc::new(Maintenances::new(Ledger::default(), Keeper(1))),
                keeper: Keeper(1),
            },
            backups: Arc::default(),
            store: Arc::new(Store::new(Snapshot { generation: 7, ..Snapshot::default() }, Arc::default())),
            operators: Arc::new(Operators::load(None, Arc::default())),
            registry: Registry::new(1),
            listeners: Vec::new(),
            effective: Effective {
                to_json: Box::new(|| json!({ "log": { "level": "info" } })),
                hash: "0123456789ab".to_owned(),
            },
            hosts: Vec::new(),
            tokens: token.into_iter().map(|secret| token_of("admin", secret, Access::Write)).collect(),
            requests: crate::admin::Requests {
                reload: tokio::sync::mpsc::channel(1).0,
                hand_over: tokio::sync::mpsc::channel(1).0,
            },
        }))
    }

    pub(in crate::admin) async fn ask(shared: &Arc<Shared>, method: Method, path: &str, headers: HeaderMap) -> Answer {
        ask_with(shared, method, path, headers, "").await
    }

    pub(in crate::admin) async fn ask_with(
        shared: &Arc<Shared>,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: &'static str,
    ) -> Answer {
        let mut request = Request::new(axum::body::Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        *request.headers_mut() = headers;
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        let Ok(answer) = TowerToHyperService::new(router(shared)).call(request).await;
        answer
    }

    async fn get(shared: &Arc<Shared>, path: &str) -> Answer {
        ask(shared, Method::GET, path, HeaderMap::new()).await
    }

    #[tokio::test]
    async fn what_there_is_answers_and_nothing_else_does() {
        let shared = shared(None);
        let lists = ["live", "history", "routes", "certificates"].map(|list| format!("/api/v1/{list}"));
        let others = ["/", "/healthz", "/metrics", "/api/v1/status", "/api/v1/config"].into_iter();
        for path in others.chain(lists.iter().map(String::as_str)) {
            assert_eq!(get(&shared, path).await.status(), 200, "{path}");
            let head = ask(&shared, Method::HEAD, path, HeaderMap::new()).await;
            assert_eq!(head.status(), 200, "{path}");
            assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
            let post = ask(&shared, Method::POST, path, HeaderMap::new()).await;
            assert_eq!((post.status().as_u16(), &post.headers()[ALLOW]), (405, &HeaderValue::from_static("GET, HEAD")));
        }
        for path in ["/api", "/api/v1/status/", "/metrics2", "/api/v1/services/a", "/api/v1/services/a/backends/b/x"] {
            let answer = get(&shared, path).await;
            assert_eq!(answer.status(), 404, "{path}");
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        }
    }

    #[tokio::test]
    async fn ready_only_between_the_start_and_the_drain() {
        let shared = shared(None);
        let mut seen = Vec::new();
        for phase in [Phase::Starting, Phase::Ready, Phase::HandingOver, Phase::Draining] {
            shared.enter(phase);
            let answer = get(&shared, "/readyz?weight").await;
            seen.push((get(&shared, "/readyz").await.status().as_u16(), answer.status().as_u16()));
            let said = answer.into_body().collect().await.unwrap().to_bytes();
            let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
            assert_eq!(said["weight"], if phase == Phase::Ready { 100 } else { 0 });
        }
        assert_eq!(seen, [(503, 503), (200, 200), (503, 503), (503, 503)]);
    }

    #[tokio::test]
    async fn a_token_guards_all_but_the_probes() {
        let shared = shared(Some("s3cret"));
        shared.enter(Phase::Ready);
        for path in ["/", "/metrics", "/api/v1/status", "/api/v1/config", "/nothing"] {
            let refused = get(&shared, path).await;
            assert_eq!(refused.status(), 401, "{path}");
            assert!(refused.headers().contains_key(WWW_AUTHENTICATE));
        }
        assert_eq!(get(&shared, "/healthz").await.status(), 200);
        assert_eq!(get(&shared, "/readyz").await.status(), 200);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"))]);
        assert_eq!(ask(&shared, Method::GET, "/api/v1/status", headers.clone()).await.status(), 200);
        assert_eq!(ask(&shared, Method::GET, "/nothing", headers).await.status(), 404);
    }

    #[tokio::test]
    async fn a_token_that_may_only_read_changes_nothing() {
        let shared = shared(Some("s3cret"));
        shared.set_tokens(vec![token_of("ops", "wr1te", Access::Write), token_of("ci", "r3ad", Access::Read)]);
        let path = "/api/v1/services/a/backends/b/drain";
        let shown = |secret: &str| {
            let value = HeaderValue::from_str(&format!("Bearer {secret}")).unwrap();
            HeaderMap::from_iter([(AUTHORIZATION, value)])
        };
        let mut seen = Vec::new();
        for secret in ["wr1te", "r3ad", "s3cret"] {
            for (method, path) in [
                (Method::GET, "/metrics"),
                (Method::HEAD, "/metrics"),
                (Method::POST, path),
                (Method::DELETE, path),
                (Method::OPTIONS, "/nothing"),
            ] {
                seen.push(ask(&shared, method, path, shown(secret)).await.status().as_u16());
            }
        }
        assert_eq!(seen, [200, 200, 404, 405, 404, 200, 200, 403, 403, 403, 401, 401, 401, 401, 401]);
    }

    #[tokio::test]
    async fn only_probes_answer_to_a_name_that_is_not_known() {
        let shared = shared(None);
        shared.enter(Phase::Ready);
        let by = |name: &'static str| HeaderMap::from_iter([(HOST, HeaderValue::from_static(name))]);
        for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/", 421), ("/api/v1/status", 421), ("/x", 421)] {
            let answer = ask(&shared, Method::GET, path, by("admin.example:9900")).await;
            assert_eq!(answer.status(), status, "{path}");
        }
        let refused = ask(&shared, Method::GET, "/", by("admin.example:9900")).await;
        let said = refused.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&said).contains("hosts = [\\\"admin.example\\\"]"), "{said:?}");
        shared.set_hosts(vec![crate::route::Host::Exact("admin.example".to_owned())]);
        assert_eq!(ask(&shared, Method::GET, "/", by("admin.example:9900")).await.status(), 200);
    }

    #[tokio::test]
    async fn what_changes_something_is_not_for_other_sites_pages() {
        let shared = shared(None);
        let path = "/api/v1/services/a/backends/b/drain";
        let nobody = ask(&shared, Method::POST, path, HeaderMap::new()).await;
        assert_eq!(nobody.status(), 404, "there is no such service");
        let from = |site| HeaderMap::from_iter([(SEC_FETCH_SITE, HeaderValue::from_static(site))]);
        assert_eq!(ask(&shared, Method::POST, path, from("cross-site")).await.status(), 403);
        assert_eq!(ask(&shared, Method::POST, path, from("same-origin")).await.status(), 404);
        assert_eq!(ask(&shared, Method::GET, path, from("same-origin")).await.status(), 405);
    }

    #[tokio::test]
    async fn without_fetch_metadata_it_is_the_origin_that_tells_another_sites_page() {
        let shared = shared(None);
        let path = "/api/v1/services/a/backends/b/drain";
        let from = |origin| {
            let origin = (ORIGIN, HeaderValue::from_static(origin));
            HeaderMap::from_iter([(HOST, HeaderValue::from_static("127.0.0.1:9900")), origin])
        };
        for foreign in ["http://evil.example", "http://127.0.0.1:8080", "http://127.0.0.1", "null", ""] {
            assert_eq!(ask(&shared, Method::POST, path, from(foreign)).await.status(), 403, "{foreign}");
        }
        assert_eq!(ask(&shared, Method::POST, path, from("http://127.0.0.1:9900")).await.status(), 404);
    }

    #[tokio::test]
    async fn names_in_paths_are_decoded() {
        let shared = shared(None);
        let path = "/api/v1/services/a%20b/backends/unix:%2Frun%2Fx/enable";
        let answer = ask(&shared, Method::POST, path, HeaderMap::new()).await;
        let said = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&said).contains("there is no service \\\"a b\\\""), "{said:?}");
        for broken in ["/api/v1/services/%ff/backends/b/enable", "/api/v1/services//backends/b/enable"] {
            assert_eq!(ask(&shared, Method::POST, broken, HeaderMap::new()).await.status(), 404, "{broken}");
        }
    }
}
