//! The clients: so many requests a second, whatever becomes of those before.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::tally::Tally;
use crate::demo::member::Member;

/// Requests a second.
pub const RATE: u64 = 200;

/// What is asked for, in turn. Their number and that of the backends have no common divisor, so each backend is asked for each path.
const PATHS: [&str; 4] = ["/", "/products", "/cart", "/checkout"];

/// Requests that may be under way. Those beyond are not sent, and not counted.
const MAX_UNDER_WAY: usize = 64;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest body that is read.
const MAX_BODY: usize = 1 << 20;

type Connection = SendRequest<Empty<Bytes>>;

/// The clients of one proxy.
#[derive(Debug)]
pub struct Load {
    to: SocketAddr,
    fleet: Vec<Member>,
    /// What has come of it so far.
    pub tally: RefCell<Tally>,
    /// Connections that carry no request at the moment, the one that has waited longest first.
    idle: RefCell<VecDeque<Connection>>,
    under_way: Cell<usize>,
}

impl Load {
    /// Clients of the proxy at `to`, which stands in front of this fleet.
    pub fn new(to: SocketAddr, fleet: Vec<Member>) -> Self {
        let (tally, idle) = (RefCell::default(), RefCell::default());
        Self { to, fleet, tally, idle, under_way: Cell::new(0) }
    }

    /// Sends requests until it is dropped.
    pub async fn run(self: Rc<Self>) {
        let mut tick = interval(Duration::from_secs(1) / u32::try_from(RATE).unwrap_or(1));
        // a machine that was busy is not given more to do for it
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 0_usize.. {
            tick.tick().await;
            if self.under_way.get() == MAX_UNDER_WAY {
                continue;
            }
            let path = PATHS[number % PATHS.len()];
            self.tally.borrow_mut().sent(path, &self.fleet[number % self.fleet.len()].condition);
            self.under_way.set(self.under_way.get() + 1);
            let load = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                let answered = load.ask(path).await;
                load.under_way.set(load.under_way.get() - 1);
                load.tally.borrow_mut().ended(answered);
            });
        }
    }

    /// Sends one request: how long the answer took; `None` = there was none, or it was a failure.
    async fn ask(&self, path: &'static str) -> Option<Duration> {
        let began = Instant::now();
        let kept = self.idle.borrow_mut().pop_front().filter(|connection| !connection.is_closed());
        let asked = async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => dial(self.to).await?,
            };
            let (status, _) = get(&mut connection, self.to, path).await?;
            io::Result::Ok((connection, status))
        };
        let (connection, status) = timeout(PATIENCE, asked).await.ok()?.ok()?;
        self.idle.borrow_mut().push_back(connection);
        (!status.is_server_error()).then(|| began.elapsed())
    }
}

/// Asks the admin address for a document; `None` = it gives none.
pub async fn document(admin: SocketAddr, path: &'static str) -> Option<Value> {
    let asked = async {
        let mut connection = dial(admin).await?;
        get(&mut connection, admin, path).await
    };
    let (status, body) = timeout(PATIENCE, asked).await.ok()?.ok()?;
    serde_json::from_slice(&body).ok().filter(|_| status.is_success())
}

async fn dial(to: SocketAddr) -> io::Result<Connection> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // whoever uses it hears of its end
        let _ = connection.await;
    });
    Ok(sender)
}

async fn get(connection: &mut Connection, host: SocketAddr, path: &str) -> io::Result<(StatusCode, Bytes)> {
    connection.ready().await.map_err(io::Error::other)?;
    let request = Request::get(path).header(HOST, host.to_string()).body(Empty::new()).map_err(io::Error::other)?;
    let answer = connection.send_request(request).await.map_err(io::Error::other)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_BODY).collect().await.map_err(io::Error::other)?;
    Ok((status, body.to_bytes()))
}
