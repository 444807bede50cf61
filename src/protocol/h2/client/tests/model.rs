//! A model of backends that do anything which the protocol allows, in any order.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tokio::io::AsyncWriteExt;

use super::exchange::Exchange;
use super::{Both, exchange, frame, run};
use crate::protocol::h2::DEFAULT_WINDOW;
use crate::protocol::h2::client::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::protocol::h2::frame::{Frame, kind, setting};

/// An event.
#[derive(Debug, Clone)]
pub enum Event {
    /// A request, with a body to follow or without.
    Ask(bool),
    /// Some of its body.
    Give(usize, usize),
    /// The end of its body, with trailers or without.
    Finish(usize, bool),
    /// The answer is read, as far as it is there.
    Read(usize),
    /// The request is dropped.
    Drop(usize),
    /// The backend sends a head, which may be the end, after an interim one.
    Answer(usize, bool),
    /// Some of the answer's body, padded or not, and perhaps the end.
    Data(usize, usize, bool, bool),
    /// Trailers.
    Trailers(usize),
    /// RST_STREAM.
    Reset(usize, u32),
    /// Windows.
    Widen(usize, u32),
    WidenAll(u32),
    Initial(u32),
    /// GOAWAY, with as many streams left out.
    Leave(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let any_stream = || 0..6usize;
    prop_oneof![
        5 => any::<bool>().prop_map(Event::Ask),
        6 => (any_stream(), 1..60_000usize).prop_map(|(i, n)| Event::Give(i, n)),
        2 => (any_stream(), any::<bool>()).prop_map(|(i, trailers)| Event::Finish(i, trailers)),
        5 => any_stream().prop_map(Event::Read),
        1 => any_stream().prop_map(Event::Drop),
        4 => (any_stream(), proptest::bool::weighted(0.2)).prop_map(|(i, end)| Event::Answer(i, end)),
        6 => (any_stream(), 0..60_000usize, any::<bool>(), proptest::bool::weighted(0.2))
            .prop_map(|(i, n, padded, end)| Event::Data(i, n, padded, end)),
        1 => any_stream().prop_map(Event::Trailers),
        1 => (any_stream(), 0..15u32).prop_map(|(i, code)| Event::Reset(i, code)),
        3 => (any_stream(), 1..100_000u32).prop_map(|(i, by)| Event::Widen(i, by)),
        3 => (1..200_000u32).prop_map(Event::WidenAll),
        1 => (0..100_000u32).prop_map(Event::Initial),
        1 => (0..4u32).prop_map(Event::Leave),
    ]
}

/// The backend's record of a connection.
struct Model {
    both: Both,
    exchanges: Vec<Exchange>,
    room: i64,
    window: i64,
    initial: i64,
    left: bool,
}

impl Model {
    async fn new() -> Self {
        let mut both = Both::new();
        both.backend_sends(frame(kind::SETTINGS, 0, 0, &[])).await;
        let default = i64::from(DEFAULT_WINDOW);
        let mut model =
            Self { both, exchanges: Vec::new(), room: default, window: default, initial: default, left: false };
        model.settle().await;
        model
    }

    /// Records everything that we have sent.
    async fn settle(&mut self) {
        for frame in self.both.settle().await {
            match frame {
                Frame::Headers { stream, end_stream, .. } => match self.exchange(stream) {
                    // its head, or trailers
                    Some(exchange) => {
                        assert!(!exchange.arrived_end, "HEADERS after the end");
                        exchange.arrived_end = end_stream;
                    }
                    None => panic!("a stream that nobody asked for: {stream}"),
                },
                Frame::Data { stream, data, flow, end } => {
                    self.window -= i64::from(flow);
                    assert!(flow == 0 || self.window >= 0, "more than the connection's window");
                    let exchange = self.exchange(stream).expect("DATA of a stream that is there");
                    assert!(!exchange.arrived_end && !exchange.reset_by_us, "DATA after the end");
                    exchange.window -= i64::from(flow);
                    assert!(flow == 0 || exchange.window >= 0, "more than the stream's window");
                    assert_eq!(
                        data,
                        exchange::bytes(stream, exchange.arrived, data.len()),
                        "other bytes than were given"
                    );
                    exchange.arrived += data.len();
                    exchange.arrived_end = end;
                }
                Frame::Reset { stream, .. } => {
                    self.exchange(stream).expect("a stream that is there").reset_by_us = true;
                }
                Frame::WindowUpdate { stream: 0, increment } => self.room += i64::from(increment),
                Frame::WindowUpdate { stream, increment } => {
                    let exchange = self.exchange(stream).expect("a stream that is there");
                    exchange.room += i64::from(increment);
                }
                Frame::Settings(_) | Frame::SettingsAck | Frame::GoAway { code: 0, .. } => {}
                other => panic!("we said {other:?}"),
            }
        }
        // at least half of the window is open again, whoever reads what
        let least = i64::from(CONNECTION_WINDOW / 2);
        assert!(self.room >= least, "the connection's window is lost: {}", self.room);
        for exchange in &self.exchanges {
            assert!(exchange.arrived <= exchange.given);
            if exchange.arrived_end {
                assert!(exchange.given_end && exchange.arrived == exchange.given, "an end before the end");
            }
        }
    }

    fn exchange(&mut self, id: u32) -> Option<&mut Exchange> {
        self.exchanges.iter_mut().find(|exchange| exchange.id == id)
    }

    async fn play(&mut self, event: Event) {
        let said = match event {
            Event::Ask(end) => {
                if let Some(request) = self.both.ask(end) {
                    let id = 2 * self.exchanges.len() as u32 + 1;
                    let (room, window) = (i64::from(STREAM_WINDOW), self.initial);
                    assert!(!self.left, "a stream after GOAWAY");
                    self.exchanges.push(Exchange::new(id, request, end, room, window));
                }
                Vec::new()
            }
            Event::WidenAll(by) => {
                self.window += i64::from(by);
                frame(kind::WINDOW_UPDATE, 0, 0, &by.to_be_bytes())
            }
            Event::Initial(value) => {
                let by = i64::from(value) - self.initial;
                self.initial = i64::from(value);
                self.exchanges.iter_mut().for_each(|exchange| exchange.window += by);
                let payload = [&setting::INITIAL_WINDOW_SIZE.to_be_bytes()[..], &value.to_be_bytes()].concat();
                frame(kind::SETTINGS, 0, 0, &payload)
            }
            Event::Leave(unseen) => {
                self.left = true;
                let last = (2 * self.exchanges.len() as u32 + 1).saturating_sub(2 * (unseen + 1));
                self.exchanges
                    .iter_mut()
                    .filter(|exchange| exchange.id > last)
                    .for_each(|exchange| exchange.cut = true);
                frame(kind::GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
            }
            Event::Give(i, _)
            | Event::Finish(i, _)
            | Event::Read(i)
            | Event::Drop(i)
            | Event::Answer(i, _)
            | Event::Data(i, ..)
            | Event::Trailers(i)
            | Event::Reset(i, _)
            | Event::Widen(i, _) => {
                // the last exchanges are the ones that still go on
                let Some(at) = self.exchanges.len().checked_sub(i + 1) else { return };
                let room = &mut self.room;
                self.exchanges[at].play(event, room).await
            }
        };
        self.both.backend_sends(said).await;
        self.settle().await;
    }

    /// The backend closes the connection: those who wait for something get an error.
    async fn end(mut self) {
        let _ = self.both.peer.shutdown().await;
        while self.both.next().await.is_some() {}
        for exchange in &mut self.exchanges {
            let Some(request) = exchange.request.take() else { continue };
            while exchange.told.is_none() {
                exchange.read(&request, false).await;
            }
            exchange.check();
            drop(request);
        }
        assert_eq!(self.both.client.taken(), 0);
        assert!(self.both.client.is_closed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(3), ..ProptestConfig::with_cases(150) })]

    /// Whatever happens in whatever order: no stream hangs, no byte is lost or invented, no window is overdrawn or lost, and no stream
    /// is left.
    #[test]
    fn whatever_happens_in_whatever_order_every_end_tells_the_truth(events in proptest::collection::vec(event(), 1..120)) {
        run(async {
            let mut model = Model::new().await;
            for event in events {
                model.play(event).await;
            }
            model.end().await;
        });
    }
}
