//! websocket.md

use super::Recipe;
use super::support::{Client, Conn, Origin};

const HANDSHAKE: &str = "GET /room HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Agrees to each handshake and greets; then it closes when a client has curl's name, and sends back what it gets otherwise.
fn room(conn: &mut Conn) {
    let Ok(request) = conn.request() else { return };
    assert_eq!(request.field("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    conn.send(b"\x81\x05hello");
    if !request.field("user-agent").is_some_and(|agent| agent.starts_with("curl")) {
        conn.echo();
    }
}

/// A client with an open WebSocket.
fn member(recipe: &Recipe) -> Client {
    let mut client = recipe.client(80);
    client.send(HANDSHAKE);
    let answer = client.response_head();
    assert_eq!((answer.status, answer.field("sec-websocket-accept")), (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    assert_eq!(client.bytes(7), b"\x81\x05hello");
    client
}

/// It still gets what it sends.
fn chats(client: &mut Client) {
    client.send(b"\x81\x85\0\0\0\0again");
    assert_eq!(client.bytes(11), b"\x81\x85\0\0\0\0again");
}

#[test]
fn a_websocket_outlives_that_its_backend_is_taken_out_of_work() {
    let (first, second) = (Origin::script(room), Origin::script(room));
    let mut recipe = Recipe::open("websocket");
    recipe.replace("10.0.0.11:8000", first.address());
    recipe.replace("10.0.0.12:8000", second.address());
    recipe.follow_all(&["Files", "Start it", "Try it"]);

    // whoever has fewer connections gets the next one
    let (before, mut members) = ((first.requests().len(), second.requests().len()), Vec::new());
    members.extend((0..6).map(|_| member(&recipe)));
    assert_eq!((first.requests().len() - before.0, second.requests().len() - before.1), (3, 3));

    recipe.run(&format!("evenkeel drain chat/{}", first.address()));
    let had = first.requests().len();
    members.extend((0..4).map(|_| member(&recipe)));
    assert_eq!(first.requests().len(), had);
    members.iter_mut().for_each(chats);
    recipe.run(&format!("evenkeel enable chat/{}", first.address()));
    recipe.follow("Take a backend out of work");
    members.iter_mut().for_each(chats);
}
