//! llm-servers.md

use super::Recipe;
use super::support::{Client, Cue, Origin, wait_until};

/// What a server says of its load: how full its cache is, and how many requests wait.
#[derive(Clone, Copy)]
struct Load {
    cache: f64,
    waiting: f64,
}

/// A server that speaks as vLLM does (vllm/entrypoints/openai): it reports its load where the request asks for it, in one of two formats. A request with the field
/// `x-hold` is answered when the cue is given.
fn vllm(Load { cache, waiting }: Load, cue: &Cue) -> Origin {
    let cue = cue.clone();
    Origin::script(move |conn| {
        while let Ok(request) = conn.request() {
            if request.field("x-hold").is_some() && !cue.wait() {
                return;
            }
            let report = match request.field("endpoint-load-metrics-format") {
                Some("TEXT") => format!(
                    "endpoint-load-metrics: TEXT named_metrics.kv_cache_usage_perc={cache:?}, named_metrics.num_requests_waiting={waiting:?}\r\n"
                ),
                _ => String::new(),
            };
            conn.send(format!("HTTP/1.1 200 OK\r\n{report}Content-Length: 2\r\n\r\n{{}}"));
        }
    })
}

/// A request to a server, and the fields that it has beside those of each.
fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{fields}\r\n{{}}")
}

#[test]
fn completions_go_where_there_is_room_and_conversations_where_they_were() {
    let cue = Cue::default();
    let servers = [vllm(Load { cache: 0.5, waiting: 3.0 }, &cue), vllm(Load { cache: 0.25, waiting: 0.0 }, &cue)];
    let mut recipe = Recipe::open("llm-servers");
    recipe.replace("10.0.0.21:8000", servers[0].address());
    recipe.replace("10.0.0.22:8000", servers[1].address());
    recipe.follow("Files");
    recipe.follow("Start it");
    recipe.follow("Try it");

    let mut client = recipe.client(80);
    let mut complete = || {
        client.send(post("/v1/completions", ""));
        let answer = client.response();
        assert_eq!((answer.status, answer.field("endpoint-load-metrics")), (200, None), "it is not for clients");
    };
    let got = |path: &str| [0, 1].map(|at| servers[at].targets().iter().filter(|target| *target == path).count());
    let utilization =
        |recipe: &Recipe, at: usize| recipe.status()["services"]["completions"]["backends"][at]["utilization"].as_f64();

    // three wait at the first one, and the second one has room
    wait_until("both have reported", || {
        complete();
        [0, 1].map(|at| utilization(&recipe, at)) == [Some(3.0), Some(0.25)]
    });
    let before = got("/v1/completions");
    (0..5).for_each(|_| complete());
    let after = got("/v1/completions");
    assert_eq!([0, 1].map(|at| after[at] - before[at]), [0, 5]);

    // a conversation stays where it is, and different ones are spread
    let chat = "/v1/chat/completions";
    let talk = |session: &str| {
        let before = got(chat);
        let mut client = recipe.client(80);
        client.send(post(chat, &format!("X-Session-Id: {session}\r\n")));
        assert_eq!(client.response().status, 200);
        usize::from(got(chat)[1] > before[1])
    };
    let server = talk("a");
    assert!((0..5).all(|_| talk("a") == server));
    let all: Vec<usize> = (0..32).map(|at| talk(&format!("session-{at}"))).collect();
    assert!(all.contains(&0) && all.contains(&1), "{all:?}");

    // unless its server is much busier than the other one
    let mut held: Vec<Client> = Vec::new();
    for _ in 0..6 {
        let mut client = recipe.client(80);
        client.send(post(chat, "X-Session-Id: a\r\nX-Hold: 1\r\n"));
        held.push(client);
    }
    wait_until("the other one helps", || {
        let heads = [0, 1]
            .map(|at| servers[at].tape().matches("x-hold").count() + servers[at].tape().matches("X-Hold").count());
        heads.iter().sum::<usize>() == 6 && heads[server] >= 2 && heads[1 - server] >= 2
    });
    (0..6).for_each(|_| cue.give());
    assert!(held.iter_mut().all(|client| client.response().status == 200));
}
