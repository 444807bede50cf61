//! What services depend on, checked once for all that name it: the same checks as those of backends, by a [`Monitor`] of their own.
//!
//! A check belongs to an endpoint and a time-out. Services that name both share it, and the shortest of their intervals is its interval. While
//! the last check contradicts those before it, the next comes sooner.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::monitor::Monitor;
use super::probe::Target;
use crate::detect::service::Dependency as State;
use crate::endpoint::addresses::Addresses;
use crate::endpoint::{self, Live};
use crate::policy::{
    Check, Dependency, DependencyEndpoint, Health, HttpCheck, Initial, ProxyHeader, Question, UpstreamProtocol,
};

/// What the monitor calls the service of all these checks: no service has this name.
const NO_SERVICE: &str = "";
/// While in doubt, an interval is divided by this: a check that fails is followed by another soon, as those of backends are.
const FAST: u32 = 5;
/// Nothing is checked more often.
const SHORTEST: Duration = Duration::from_millis(100);
/// How many in a row are a failure (mission, part 4): until then the state is in doubt.
const FALL: u32 = 3;

/// All dependencies of all services. A handle: its copies are the same.
#[derive(Debug, Clone)]
pub struct Dependencies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    monitor: Monitor,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What is checked, by what makes a check.
    checked: HashMap<Asked, Target>,
    /// The dependencies of each service: their names, and the ids of their checks.
    services: HashMap<Arc<str>, Vec<(Arc<str>, String)>>,
}

/// What makes a check: an endpoint and a time-out.
type Asked = (DependencyEndpoint, Duration);

impl Dependencies {
    /// Nothing is checked yet.
    pub fn new(seed: u64) -> Self {
        let monitor = Monitor::new(seed, Arc::new(Notify::new()), Arc::new(|_, _| Ok(())));
        Self(Arc::new(Inner { monitor, known: Mutex::default() }))
    }

    /// Makes checks for ever. To be spawned once, where `spawn_local` works.
    pub async fn run(self) {
        self.0.monitor.clone().run().await;
    }

    /// Replaces the services with what they depend on; to be called for each new configuration. What is known of endpoints that are
    /// still checked is kept.
    pub fn update<'a>(&self, services: impl IntoIterator<Item = (&'a Arc<str>, &'a [Dependency])>) {
        let mut known = self.known();
        let mut before = std::mem::take(&mut *known);
        for (service, dependencies) in services.into_iter().filter(|(_, dependencies)| !dependencies.is_empty()) {
            let named = dependencies.iter().map(|dependency| {
                let asked = (dependency.endpoint.clone(), dependency.timeout);
                let id = id(&asked);
                let kept = before.checked.remove(&asked).map(|target| with_interval(target, dependency.interval));
                let target = known.checked.entry(asked);
                let target =
                    target.or_insert_with_key(|asked| kept.unwrap_or_else(|| target_of(asked, dependency.interval)));
                if target.policy.interval > dependency.interval {
                    *target = with_interval(target.clone(), dependency.interval);
                }
                (Arc::clone(&dependency.name), id)
            });
            let named = named.collect();
            known.services.insert(Arc::clone(service), named);
        }
        let targets = known.checked.values().cloned().collect();
        self.0.monitor.update(targets);
    }

    /// How the dependencies of a service are now.
    pub fn of(&self, service: &str) -> Vec<State> {
        let known = self.known();
        let named = known.services.get(service).map(Vec::as_slice).unwrap_or_default();
        let state = |(name, id): &(Arc<str>, String)| {
            let last = self.0.monitor.last_check(NO_SERVICE, id);
            let error = last.as_ref().filter(|last| !last.ok).map(|last| last.reason.to_string());
            let failed = last.map_or(0, |last| last.failed);
            State { name: Arc::clone(name), failed, error: error.unwrap_or_default() }
        };
        named.iter().map(state).collect()
    }

    /// A panic while the lock is held leaves the lists as they were, or new ones.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id((endpoint, timeout): &Asked) -> String {
    format!("{endpoint} within {timeout:?}")
}

fn target_of(asked: &Asked, interval: Duration) -> Target {
    let (endpoint, timeout) = asked;
    // a name is looked up at each check
    let address = endpoint.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, endpoint.port));
    let target = Target {
        service: NO_SERVICE.into(),
        id: id(asked),
        // nobody else knows of it: what the checks say of it is said to nobody
        live: Arc::<Live>::default(),
        address: endpoint::Target::Tcp(address.unwrap_or(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), endpoint.port))),
        addresses: Arc::new(Addresses::new(address)),
        outbound: None,
        host: endpoint.host.clone(),
        protocol: UpstreamProtocol::Http1,
        tls: None,
        proxy_header: None::<ProxyHeader>,
        policy: Arc::new(policy(&endpoint.question, *timeout)),
        advisory: false,
        expire: Duration::ZERO,
    };
    with_interval(target, interval)
}

fn with_interval(mut target: Target, interval: Duration) -> Target {
    if target.policy.interval != interval {
        let policy = Arc::make_mut(&mut target.policy);
        (policy.interval, policy.fast_interval) = (interval, (interval / FAST).max(SHORTEST));
    }
    target
}

fn policy(question: &Question, timeout: Duration) -> Health {
    Health {
        kind: match question {
            Question::Connect => Check::Tcp { send: Vec::new(), expect: Vec::new() },
            Question::GrpcHealth(service) => Check::Grpc { service: service.clone() },
            Question::Get(path) => Check::Http(HttpCheck {
                path: path.clone(),
                method: http::Method::GET,
                host: None,
                headers: Vec::new(),
                expect_status: vec![200..=299],
                expect_body: None,
                allow_bare_lf: false,
            }),
        },
        port: None,
        interval: Duration::ZERO,
        fast_interval: Duration::ZERO,
        timeout,
        fall: FALL,
        rise: 1,
        jitter: 0.1,
        initial: Initial::Up,
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::super::probe::testing::Server;
    use super::*;

    fn dependency(name: &str, host: &str, port: u16, question: Question) -> Dependency {
        let endpoint = DependencyEndpoint { host: host.to_owned(), port, question };
        Dependency {
            name: name.into(),
            endpoint,
            timeout: Duration::from_secs(5),
            interval: Duration::from_millis(100),
        }
    }

    fn connect(name: &str, port: u16) -> Dependency {
        dependency(name, "127.0.0.1", port, Question::Connect)
    }

    /// The state of the first dependency of a service, once this holds for it.
    async fn until(all: &Dependencies, service: &str, holds: impl Fn(&State) -> bool) -> State {
        loop {
            if let Some(state) = all.of(service).into_iter().next().filter(&holds) {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn each_kind_is_asked_in_its_way() {
        let up = Server::answer("\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n").await;
        let moved = Server::answer("\r\n\r\n", b"HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n").await;
        let (hung, nobody) = (Server::hang().await, Server::nobody().await);
        let get = |port| dependency("a", "localhost", port, Question::Get("/up?x=1".parse().unwrap()));
        let slow = Dependency {
            timeout: Duration::from_millis(50),
            ..dependency("a", "127.0.0.1", hung.address.port(), Question::GrpcHealth(String::new()))
        };
        let all = Dependencies::new(1);
        let services: Vec<(Arc<str>, Vec<Dependency>)> = vec![
            ("up".into(), vec![get(up.address.port())]),
            ("moved".into(), vec![get(moved.address.port())]),
            ("accepts".into(), vec![connect("a", hung.address.port())]),
            ("hung".into(), vec![slow]),
            ("gone".into(), vec![connect("a", nobody.port())]),
            ("nameless".into(), vec![dependency("a", "dependency.invalid", 1, Question::Connect)]),
        ];
        let local = LocalSet::new();
        local.spawn_local(all.clone().run());
        all.update(services.iter().map(|(name, dependencies)| (name, &dependencies[..])));
        let test = async {
            for (service, reason) in [
                ("moved", "status 302, expected 200-299"),
                ("hung", "no answer in 50 ms"),
                ("gone", "connection refused"),
            ] {
                assert_eq!(until(&all, service, |state| state.failed >= 3).await.error, reason);
            }
            let nameless = until(&all, "nameless", |state| state.failed > 0).await;
            assert!(nameless.error.starts_with("its name can't be looked up: "), "{}", nameless.error);
            for service in ["up", "accepts"] {
                let id = &all.known().services[service][0].1.clone();
                while all.0.monitor.last_check(NO_SERVICE, id).is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let state = &all.of(service)[0];
                assert_eq!((state.failed, &*state.error), (0, ""), "{service}");
            }
        };
        local.run_until(test).await;
    }

    #[tokio::test]
    async fn services_that_name_the_same_share_a_check_and_a_reload_keeps_what_is_known() {
        let nobody = Server::nobody().await.port();
        let all = Dependencies::new(1);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let slower = Dependency { interval: Duration::from_secs(60), ..connect("store", nobody) };
        let update = |services: &[(&Arc<str>, &[Dependency])]| all.update(services.iter().copied());
        update(&[(&a, &[connect("db", nobody)]), (&b, std::slice::from_ref(&slower))]);
        assert_eq!(all.known().checked.len(), 1);
        assert_eq!(all.known().checked.values().next().unwrap().policy.interval, Duration::from_millis(100));
        let local = LocalSet::new();
        local.spawn_local(all.clone().run());
        local.run_until(until(&all, "b", |state| state.failed >= 3)).await;
        let (of_a, of_b) = (all.of("a").remove(0), all.of("b").remove(0));
        assert_eq!((&*of_a.name, &*of_b.name), ("db", "store"));

        update(&[(&b, &[slower])]);
        assert_eq!(all.of("a"), []);
        assert!(all.of("b")[0].failed >= 3, "what is known is kept");
        assert_eq!(all.known().checked.values().next().unwrap().policy.interval, Duration::from_secs(60));
        update(&[(&b, &[Dependency { timeout: Duration::from_secs(1), ..connect("store", nobody) }])]);
        assert_eq!(all.of("b")[0].failed, 0, "another time-out is another check");
    }
}
