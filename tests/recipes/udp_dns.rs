//! udp-dns.md

use std::net::{SocketAddr, UdpSocket};

use super::Recipe;
use super::others::at_hand;
use super::support::{Origin, Port, UdpOrigin, wait_until};

/// The answer to a question for an address: 192.0.2.7 for example.com, no such name else.
fn answer(question: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"\x07example\x03com\0";
    // the name, its type and its class, behind the header of 12 bytes
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let asked = &question[12..end];
    let is_known = asked.starts_with(NAME);
    let flags: &[u8] = if is_known { b"\x81\x80" } else { b"\x81\x83" };
    let counts: &[u8] = if is_known { b"\0\x01\0\x01\0\0\0\0" } else { b"\0\x01\0\0\0\0\0\0" };
    let address: &[u8] = if is_known { b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\xc0\0\x02\x07" } else { b"" };
    [&question[..2], flags, counts, asked, address].concat()
}

/// A name server by UDP and TCP.
struct Server {
    udp: UdpOrigin,
    _tcp: Origin,
}

impl Server {
    fn at(address: &str) -> Self {
        let tcp: SocketAddr = address.parse().unwrap();
        let tcp = Origin::script_at(tcp, |conn| {
            while let Some(length) = conn.bytes(2) {
                let Some(question) = conn.bytes(usize::from(u16::from_be_bytes([length[0], length[1]]))) else {
                    return;
                };
                let answer = answer(&question);
                conn.send([&u16::try_from(answer.len()).unwrap().to_be_bytes()[..], &answer].concat());
            }
        });
        Self { udp: UdpOrigin::bound(address, |question| vec![answer(question)]), _tcp: tcp }
    }
}

#[test]
fn questions_are_answered_while_one_of_two_name_servers_is_there() {
    if !at_hand(&["dig"]) {
        return;
    }
    // checks go to the same port of both
    let port = Port::reserve();
    let port = port.address().port();
    let [first, second] = ["127.0.0.2", "127.0.0.3"].map(|host| format!("{host}:{port}"));
    let mut servers = [&first, &second].map(|address| Some(Server::at(address)));

    let mut recipe = Recipe::open("udp-dns");
    recipe.replace("10.0.0.21:53", &first);
    recipe.replace("10.0.0.22:53", &second);
    recipe.replace("port = 53", &format!("port = {port}"));
    recipe.follow("Files");
    recipe.follow("Start it");
    let at = recipe.address(53).port();
    recipe.replace("-p 53", &format!("-p {at}"));
    let backend = |recipe: &Recipe, at: usize| recipe.status()["services"]["dns"]["backends"][at].clone();
    wait_until("both were checked by a question", || {
        [0, 1].iter().all(|at| backend(&recipe, *at)["last_check"]["reason"] == "the expected bytes came")
    });
    recipe.follow("Try it");

    let asked = |server: &Option<Server>| server.as_ref().map_or(0, |server| server.udp.datagrams().len());
    assert_eq!(asked(&servers[0]) + asked(&servers[1]), 1, "one question came by UDP");

    servers[0] = None;
    wait_until("nobody listens there", || UdpSocket::bind(&first).is_ok());
    for _ in 0..10 {
        let answer = recipe.run(&format!("dig @127.0.0.1 -p {at} +tries=1 +short example.com"));
        assert_eq!(answer, "192.0.2.7\n", "no question is lost");
    }
    wait_until("the check has found it", || backend(&recipe, 0)["state"] == "down");
    recipe.follow("When one dies");
    assert!(asked(&servers[1]) >= 11);
}
