//! DNS over real sockets, against a server that answers by hand.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{Name, Record};
use tokio::net::UdpSocket;

use super::*;

/// What the server knows. A name and kind that are not there get an answer without records.
#[derive(Default)]
struct Zone {
    records: HashMap<(String, RecordType), Vec<Record>>,
    codes: HashMap<(String, RecordType), ResponseCode>,
    asked: Arc<AtomicU32>,
}

impl Zone {
    fn add(mut self, name: &str, ttl: u32, data: RData) -> Self {
        let record = Record::from_rdata(Name::from_ascii(name).unwrap(), ttl, data);
        let key = (name.to_owned(), record.record_type());
        self.records.entry(key).or_default().push(record);
        self
    }

    fn a(self, name: &str, ttl: u32, ip: &str) -> Self {
        self.add(name, ttl, RData::A(A(ip.parse().unwrap())))
    }

    fn aaaa(self, name: &str, ttl: u32, ip: &str) -> Self {
        self.add(name, ttl, RData::AAAA(AAAA(ip.parse().unwrap())))
    }

    fn srv(self, name: &str, ttl: u32, [priority, weight, port]: [u16; 3], target: &str) -> Self {
        let target = Name::from_ascii(target).unwrap();
        self.add(name, ttl, RData::SRV(SRV::new(priority, weight, port, target)))
    }

    fn fails(mut self, name: &str, kind: RecordType, code: ResponseCode) -> Self {
        self.codes.insert((name.to_owned(), kind), code);
        self
    }

    /// Serves it on a socket of its own until the test ends.
    async fn serve(self) -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let dns = Dns::servers(&[socket.local_addr().unwrap()], Duration::from_secs(5));
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let answer = self.answer(&buffer[..length]);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        dns
    }

    fn answer(&self, question: &[u8]) -> Vec<u8> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut message = Message::from_vec(question).unwrap();
        let query = message.queries[0].clone();
        let key = (query.name().to_ascii().to_ascii_lowercase(), query.query_type());
        message.metadata.message_type = MessageType::Response;
        message.metadata.recursion_available = true;
        message.edns = None;
        if let Some(code) = self.codes.get(&key) {
            message.metadata.response_code = *code;
        }
        let alias = (key.0.clone(), RecordType::CNAME);
        for record in self.records.get(&key).or_else(|| self.records.get(&alias)).into_iter().flatten() {
            message.add_answer(record.clone());
            if let RData::CNAME(CNAME(name)) = &record.data {
                let real = self.records.get(&(name.to_ascii(), query.query_type()));
                message.add_answers(real.into_iter().flatten().cloned());
            }
        }
        message.to_vec().unwrap()
    }
}

fn host(name: &str) -> Query {
    Query::Host { name: name.to_owned(), port: 80 }
}

fn ids(answer: &Answer) -> Vec<&str> {
    answer.backends.iter().map(|backend| &*backend.id).collect()
}

#[tokio::test]
async fn all_addresses_of_both_kinds_are_backends_for_the_shortest_of_their_times() {
    let zone = Zone::default().a("api.test.", 30, "10.0.0.2").a("api.test.", 30, "10.0.0.1");
    let mut dns = zone.aaaa("api.test.", 20, "fd00::1").serve().await;
    let answer = dns.ask(&host("api.test."), &[]).await.unwrap();
    assert_eq!(ids(&answer), ["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80"]);
    assert_eq!(answer.ttl, Some(Duration::from_secs(20)));
    let first = &answer.backends[0];
    assert_eq!((&*first.host, first.weight, first.backup), ("api.test", 1, false));
}

#[tokio::test]
async fn each_question_goes_to_the_server_though_the_last_answer_would_still_hold() {
    let zone = Zone::default().a("api.test.", 3600, "10.0.0.1");
    let asked = Arc::clone(&zone.asked);
    let mut dns = zone.serve().await;
    for times in 1..=3 {
        dns.ask(&host("api.test."), &[]).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), times * 2, "A and AAAA");
    }
}

#[tokio::test]
async fn an_alias_is_followed_and_its_time_counts() {
    let zone = Zone::default().a("real.test.", 3600, "10.0.0.1");
    let mut dns = zone.add("api.test.", 7, RData::CNAME(CNAME(Name::from_ascii("real.test.").unwrap()))).serve().await;
    let answer = dns.ask(&host("api.test."), &[]).await.unwrap();
    assert_eq!((ids(&answer), answer.ttl), (vec!["10.0.0.1:80"], Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn srv_records_give_ports_weights_and_backups() {
    let zone = Zone::default()
        .srv("_http._tcp.api.test.", 60, [10, 5, 8001], "a.test.")
        .srv("_http._tcp.api.test.", 60, [10, 0, 8002], "b.test.")
        .srv("_http._tcp.api.test.", 60, [20, 9, 8003], "c.test.")
        .srv("_http._tcp.api.test.", 60, [10, 5, 8004], "gone.test.")
        .a("a.test.", 30, "10.0.0.1")
        .aaaa("a.test.", 30, "fd00::1")
        .a("b.test.", 90, "10.0.0.2")
        .a("c.test.", 90, "10.0.0.3")
        .fails("gone.test.", RecordType::A, ResponseCode::NXDomain)
        .fails("gone.test.", RecordType::AAAA, ResponseCode::NXDomain);
    let mut dns = zone.serve().await;
    let answer = dns.ask(&Query::Srv("_http._tcp.api.test.".to_owned()), &[]).await.unwrap();
    assert_eq!(ids(&answer), ["10.0.0.1:8001", "10.0.0.2:8002", "10.0.0.3:8003", "[fd00::1]:8001"]);
    let rest: Vec<_> = answer.backends.iter().map(|found| (&*found.host, found.weight, found.backup)).collect();
    assert_eq!(rest, [("a.test", 5, false), ("b.test", 1, false), ("c.test", 9, true), ("a.test", 5, false)]);
    assert_eq!(answer.ttl, Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn dozens_of_targets_are_looked_up() {
    let mut zone = Zone::default();
    // few enough for one datagram of the server, which knows no TCP; many enough for several rounds
    for at in 1..=40_u16 {
        let target = format!("{at}.t.");
        zone = zone.srv("_s._tcp.t.", 60, [1, 1, at], &target).a(&target, 60, &format!("10.0.0.{at}"));
    }
    let answer = zone.serve().await.ask(&Query::Srv("_s._tcp.t.".to_owned()), &[]).await.unwrap();
    assert_eq!(answer.backends.len(), 40);
}

#[tokio::test]
async fn an_address_that_two_records_name_is_one_backend() {
    let zone = Zone::default()
        .srv("_http._tcp.api.test.", 60, [20, 9, 80], "a.test.")
        .srv("_http._tcp.api.test.", 60, [10, 2, 80], "b.test.")
        .a("a.test.", 30, "10.0.0.1")
        .a("b.test.", 30, "10.0.0.1");
    let mut dns = zone.serve().await;
    let answer = dns.ask(&Query::Srv("_http._tcp.api.test.".to_owned()), &[]).await.unwrap();
    let all: Vec<_> = answer.backends.iter().map(|found| (&*found.id, found.weight, found.backup)).collect();
    assert_eq!(all, [("10.0.0.1:80", 2, false)]);
}

#[tokio::test]
async fn what_is_not_there_or_can_not_be_asked_is_a_failure_that_names_the_question() {
    let zone = Zone::default()
        .fails("no.test.", RecordType::A, ResponseCode::NXDomain)
        .fails("no.test.", RecordType::AAAA, ResponseCode::NXDomain)
        .fails("ill.test.", RecordType::A, ResponseCode::ServFail)
        .fails("ill.test.", RecordType::AAAA, ResponseCode::ServFail)
        .srv("_off._tcp.test.", 60, [0, 0, 0], ".");
    let mut dns = zone.serve().await;
    for query in [host("no.test."), host("empty.test."), host("ill.test."), host("not a name..")] {
        let reason = dns.ask(&query, &[]).await.unwrap_err();
        assert!(reason.starts_with(&format!("{query}: ")), "{reason}");
    }
    for name in ["_off._tcp.test.", "_none._tcp.test."] {
        let reason = dns.ask(&Query::Srv(name.to_owned()), &[]).await.unwrap_err();
        assert!(reason.starts_with(&format!("SRV {name}: ")), "{reason}");
    }
}

#[tokio::test]
async fn a_kind_that_fails_matters_only_when_it_was_there_before() {
    let zone = Zone::default().a("api.test.", 30, "10.0.0.1");
    let mut dns = zone.fails("api.test.", RecordType::AAAA, ResponseCode::ServFail).serve().await;
    let only_v4 = dns.ask(&host("api.test."), &[]).await.unwrap();
    assert_eq!(ids(&only_v4), ["10.0.0.1:80"]);
    assert!(dns.ask(&host("api.test."), &only_v4.backends).await.is_ok());
    let had_v6 = [backend("[fd00::1]:80".parse().unwrap(), "api.test", 1, false)];
    assert!(dns.ask(&host("api.test."), &had_v6).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure_and_no_wait_without_end() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut dns = Dns::servers(&[closed], Duration::from_millis(50));
    assert!(dns.ask(&host("api.test."), &[]).await.is_err());
}
