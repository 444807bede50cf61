//! QUIC clients whose address changes. The packets are made by hand: what matters of them is what RFC 8999 says.

use crate::support::{Proxy, UdpClient, UdpOrigin};
use crate::{address, client, config, open_sessions};

/// The id that the backend chooses for the connection that began with this client's id.
fn chosen(client: u8) -> [u8; 8] {
    [0xb0, 1, 2, 3, 4, 5, 6, client]
}

/// A packet with a long header, of version 1.
fn long(to: &[u8], from: &[u8], length: usize) -> Vec<u8> {
    let mut packet = vec![0xc0, 0, 0, 0, 1, to.len() as u8];
    packet.extend(to);
    packet.push(from.len() as u8);
    packet.extend(from);
    packet.resize(length, 0);
    packet
}

/// What a connection begins with.
fn initial(client: u8) -> Vec<u8> {
    long(&[client; 8], &[], 1200)
}

/// A packet with a short header.
fn short(to: &[u8], word: &str) -> Vec<u8> {
    [&[0x40], to, word.as_bytes()].concat()
}

/// A backend that chooses an id in answer to an initial, and repeats what it got in answer to all else, with its own name in front.
fn backend(name: &'static str) -> UdpOrigin {
    UdpOrigin::script(move |packet| match packet[0] & 0x80 {
        0 => vec![[name.as_bytes(), &packet[9..]].concat()],
        _ => vec![long(&[], &chosen(packet[6]), 100)],
    })
}

fn word(answer: &[u8]) -> &str {
    std::str::from_utf8(answer).unwrap()
}

#[test]
fn a_connection_stays_with_its_backend_when_its_address_changes() {
    let origins = [backend("a:"), backend("b:")];
    let proxy = Proxy::start(&config("", "", &origins.each_ref().map(UdpOrigin::address)));
    let first = client(&proxy);
    assert_eq!(first.ask(&initial(1))[0] & 0x80, 0x80);
    let before = first.ask(&short(&chosen(1), "before"));
    let name = &word(&before)[..2];
    // the kernel deals the addresses out to both workers
    for _ in 0..12 {
        let moved = client(&proxy);
        assert_eq!(word(&moved.ask(&short(&chosen(1), "after"))), format!("{name}after"));
        assert_eq!(word(&moved.ask(&short(&chosen(1), "again"))), format!("{name}again"));
    }
    assert_eq!(open_sessions(&proxy), 1);
    let peers = origins[0].peers().len() + origins[1].peers().len();
    assert_eq!(peers, 1, "the backend sees one address");
}

#[test]
fn answers_go_where_the_client_was_last() {
    let origin = backend("a:");
    let proxy = Proxy::start(&config("", "", &[origin.address()]));
    let (first, second) = (client(&proxy), client(&proxy));
    first.ask(&initial(1));
    assert_eq!(word(&second.ask(&short(&chosen(1), "2"))), "a:2");
    // and back again
    assert_eq!(word(&first.ask(&short(&chosen(1), "1"))), "a:1");
    assert_eq!(word(&second.ask(&short(&chosen(1), "2"))), "a:2");
    assert!(!first.has_heard());
}

#[test]
fn who_does_not_know_the_id_turns_nothing() {
    let origin = backend("a:");
    let proxy = Proxy::start(&config("", "", &[origin.address()]));
    let client = client(&proxy);
    client.ask(&initial(1));
    let stranger = UdpClient::new(address(&proxy, "udp"));
    let mut guess = chosen(1);
    guess[7] ^= 1;
    assert_eq!(word(&stranger.ask(&short(&guess, "guess"))), "a:guess", "a session of its own");
    assert_eq!(origin.peers().len(), 2);
    assert_eq!(word(&client.ask(&short(&chosen(1), "mine"))), "a:mine");
    assert!(!stranger.has_heard());
}

#[test]
fn an_id_that_a_second_backend_claims_stays_with_the_first() {
    let origins = [backend("a:"), backend("b:")];
    let proxy = Proxy::start(&config("", "", &origins.each_ref().map(UdpOrigin::address)));
    let first = client(&proxy);
    first.ask(&initial(1));
    let name = word(&first.ask(&short(&chosen(1), ""))).to_owned();
    // the same client's id, so that the backend chooses the same
    let others: Vec<UdpClient> = (0..4).map(|_| client(&proxy)).collect();
    others.iter().for_each(|other| drop(other.ask(&initial(1))));
    assert_eq!(word(&client(&proxy).ask(&short(&chosen(1), ""))), name);
}

#[test]
fn an_id_is_forgotten_with_its_session() {
    let origin = backend("a:");
    let proxy = Proxy::start(&config("idle_timeout = \"1s\"", "", &[origin.address()]));
    let first = client(&proxy);
    first.ask(&initial(1));
    crate::support::wait_until("the session ends", || open_sessions(&proxy) == 0);
    assert_eq!(word(&client(&proxy).ask(&short(&chosen(1), "late"))), "a:late");
    assert_eq!(origin.peers().len(), 2, "a new session");
}
