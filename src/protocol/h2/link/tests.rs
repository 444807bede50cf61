use http::{HeaderMap, StatusCode, header};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::protocol::h2::frame::{Frame, Head, MAX_WINDOW};

fn link() -> Rc<Link> {
    Rc::new(Link::new(Guard::new(100, 0)))
}

fn open(link: &Rc<Link>, id: u32, window: u32) -> Rc<Stream> {
    let stream = Stream::new(id, link, window, true, None);
    link.state.borrow_mut().streams.insert(id, Rc::clone(&stream));
    stream
}

/// Removes what was written, and returns it as frames.
fn written(link: &Link) -> Vec<Frame> {
    let mut bytes = link.state.borrow_mut().out.take();
    let mut frames = Vec::new();
    while let Some(head) = Head::parse(&bytes) {
        let _ = bytes.split_to(HEAD);
        frames.push(Frame::parse(head, bytes.split_to(head.length)).unwrap());
    }
    assert!(bytes.is_empty());
    frames
}

/// The stream, how much data, and whether it ends.
fn data(frames: &[Frame]) -> Vec<(u32, usize, bool)> {
    let of = |frame: &Frame| match frame {
        Frame::Data { stream, data, end, .. } => Some((*stream, data.len(), *end)),
        _ => None,
    };
    frames.iter().filter_map(of).collect()
}

#[test]
fn streams_take_turns_by_frames() {
    let link = link();
    link.state.borrow_mut().window = Window::new(1 << 20);
    let (a, b) = (open(&link, 1, 1 << 20), open(&link, 3, 1 << 20));
    // the connection's window is closed until both streams have something to send
    link.state.borrow_mut().window = Window::new(0);
    a.send(Bytes::from(vec![0; 2 * MAX_DATA_FRAME]), true);
    b.send(Bytes::from(vec![0; MAX_DATA_FRAME + 1]), true);
    assert!(!a.has_room() && !b.has_room());
    let mut state = link.state.borrow_mut();
    state.window = Window::new(1 << 20);
    state.pump();
    drop(state);
    let expected = [(1, MAX_DATA_FRAME, false), (3, MAX_DATA_FRAME, false), (1, MAX_DATA_FRAME, true), (3, 1, true)];
    assert_eq!(data(&written(&link)), expected);
    assert!(a.is_over() && b.is_over());
    assert!(link.state.borrow().streams.is_empty());
}

#[test]
fn a_stream_without_window_holds_nobody_up_and_comes_back_when_it_has_some() {
    let link = link();
    let (stuck, other) = (open(&link, 1, 10), open(&link, 3, 1000));
    stuck.send(Bytes::from_static(b"twelve bytes"), true);
    other.send(Bytes::from_static(b"other"), false);
    assert_eq!(data(&written(&link)), [(1, 10, false), (3, 5, false)]);
    assert!(other.has_room() && !stuck.has_room());
    other.finish(None);
    assert_eq!(data(&written(&link)), [(3, 0, true)]);
    let mut state = link.state.borrow_mut();
    stuck.enlarge_window(&mut state, 1).unwrap();
    state.pump();
    stuck.enlarge_window(&mut state, 5).unwrap();
    state.pump();
    drop(state);
    assert_eq!(data(&written(&link)), [(1, 1, false), (1, 1, true)]);
}

#[test]
fn a_lower_initial_window_may_make_windows_negative() {
    let link = link();
    let stream = open(&link, 1, DEFAULT_WINDOW);
    stream.send(Bytes::from(vec![0; 1000]), false);
    written(&link);
    let mut state = link.state.borrow_mut();
    state.set_initial(500).unwrap();
    drop(state);
    stream.send(Bytes::from(vec![0; 10]), false);
    assert_eq!(data(&written(&link)), []);
    let mut state = link.state.borrow_mut();
    state.set_initial(1005).unwrap();
    state.pump();
    drop(state);
    assert_eq!(data(&written(&link)), [(1, 5, false)]);
    assert!(link.state.borrow_mut().set_initial(MAX_WINDOW).is_ok());
    let mut state = link.state.borrow_mut();
    state.set_initial(DEFAULT_WINDOW).unwrap();
    stream.enlarge_window(&mut state, MAX_WINDOW - DEFAULT_WINDOW).unwrap();
    assert!(state.set_initial(MAX_WINDOW).is_err());
}

#[test]
fn fields_that_one_frame_does_not_hold_go_on_in_others() {
    let link = link();
    let stream = open(&link, 1, 0);
    let mut headers = HeaderMap::new();
    for i in 0..5 {
        let name = header::HeaderName::try_from(format!("x-{i}")).unwrap();
        headers.insert(name, header::HeaderValue::try_from("v".repeat(10_000)).unwrap());
    }
    stream.head(StatusCode::OK, &headers, b"now", None, false);
    let frames = written(&link);
    assert!(matches!(&frames[0], Frame::Headers { end_headers: false, block, .. } if block.len() == 16_384));
    let more: Vec<_> = frames[1..]
        .iter()
        .map(|frame| match frame {
            Frame::Continuation { stream: 1, block, end_headers } => (block.len(), *end_headers),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(more.len(), 3);
    assert!(more[..2].iter().all(|m| *m == (16_384, false)) && more[2].1, "{more:?}");
}

#[test]
fn fields_of_one_connection_are_not_said_and_what_an_answer_must_say_is() {
    let link = link();
    let stream = open(&link, 1, 0);
    let mut headers = HeaderMap::new();
    for name in [header::CONNECTION, header::UPGRADE, header::SERVER, header::HeaderName::from_static("keep-alive")] {
        headers.insert(name, header::HeaderValue::from_static("x"));
    }
    stream.head(StatusCode::OK, &headers, b"now", Some(5), false);
    let frames = written(&link);
    let [Frame::Headers { block, .. }] = &frames[..] else { panic!("{frames:?}") };
    let mut said = Vec::new();
    let each = |field, _| said.push(format!("{field:?}"));
    crate::protocol::h2::hpack::Decoder::new(4096).decode(block.clone(), each).unwrap();
    let expected = [
        r#"Pseudo(Status, "200")"#,
        r#"Plain("server", "x")"#,
        r#"Plain("date", "now")"#,
        r#"Plain("content-length", "5")"#,
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_answer_before_the_end_of_its_request_lets_the_rest_come_in_and_then_stops_the_client() {
    let link = link();
    let stream = Stream::new(1, &link, 1000, false, None);
    link.state.borrow_mut().streams.insert(1, Rc::clone(&stream));
    let mut state = link.state.borrow_mut();
    stream.data(&mut state, Bytes::from_static(b"half"), 4, false).unwrap();
    drop(state);
    stream.head(StatusCode::PAYLOAD_TOO_LARGE, &HeaderMap::new(), b"now", Some(0), true);
    let frames = written(&link);
    assert!(matches!(&frames[0], Frame::Headers { end_stream: true, .. }), "{frames:?}");
    assert_eq!(frames[1..], []);
    assert!(link.state.borrow_mut().arrived_late(1, 4, false));
    assert!(!link.state.borrow_mut().end_uploads(), "it has its time");
    assert!(link.state.borrow_mut().end_uploads());
    assert_eq!(written(&link), [Frame::Reset { stream: 1, code: 0 }]);
    assert!(link.state.borrow().was_reset_by_us(1));
    assert!(link.state.borrow_mut().arrived_late(1, 4, false), "it was on its way");
}

/// What may happen to a connection with some streams.
#[derive(Debug, Clone)]
enum Event {
    Send(usize, usize),
    Finish(usize),
    Widen(usize, u32),
    WidenAll(u32),
    Initial(u32),
    Reset(usize),
    Drain,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4usize, 1..60_000usize).prop_map(|(stream, bytes)| Event::Send(stream, bytes)),
        1 => (0..4usize).prop_map(Event::Finish),
        3 => (0..4usize, 1..50_000u32).prop_map(|(stream, by)| Event::Widen(stream, by)),
        3 => (1..100_000u32).prop_map(Event::WidenAll),
        1 => (0..100_000u32).prop_map(Event::Initial),
        1 => (0..4usize).prop_map(Event::Reset),
        4 => Just(Event::Drain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

    /// Whatever happens in whatever order, no window is exceeded, nothing is lost, nothing is sent after an end, and what may be
    /// sent is sent.
    #[test]
    fn windows_hold_and_what_can_go_goes(events in proptest::collection::vec(event(), 1..200)) {
        let link = link();
        let streams: Vec<_> = (0..4u32).map(|i| open(&link, 2 * i + 1, DEFAULT_WINDOW)).collect();
        let mut windows = [i64::from(DEFAULT_WINDOW); 4];
        let (mut all, mut initial) = (i64::from(DEFAULT_WINDOW), i64::from(DEFAULT_WINDOW));
        let (mut given, mut sent, mut ended) = ([0; 4], [0; 4], [false; 4]);
        for event in events {
            match event {
                Event::Send(i, bytes) if streams[i].has_room() => {
                    given[i] += bytes;
                    streams[i].send(Bytes::from(vec![0; bytes]), false);
                }
                Event::Finish(i) if streams[i].has_room() => streams[i].finish(None),
                Event::Widen(i, by) => {
                    windows[i] += i64::from(by);
                    streams[i].enlarge_window(&mut link.state.borrow_mut(), by).unwrap();
                }
                Event::WidenAll(by) => {
                    all += i64::from(by);
                    prop_assert!(link.state.borrow_mut().window.shift(i64::from(by)));
                }
                Event::Initial(value) => {
                    let by = i64::from(value) - initial;
                    initial = i64::from(value);
                    windows.iter_mut().for_each(|window| *window += by);
                    link.state.borrow_mut().set_initial(value).unwrap();
                }
                Event::Reset(i) => streams[i].reset(Reason::Cancel),
                Event::Drain | Event::Send(..) | Event::Finish(_) => {}
            }
            loop {
                link.state.borrow_mut().pump();
                let frames = written(&link);
                if frames.is_empty() {
                    break;
                }
                for (stream, length, end) in data(&frames) {
                    let i = stream as usize / 2;
                    prop_assert!(!ended[i]);
                    ended[i] = end;
                    sent[i] += length;
                    windows[i] -= length as i64;
                    all -= length as i64;
                    prop_assert!(length == 0 || (windows[i] >= 0 && all >= 0));
                }
            }
            for (i, stream) in streams.iter().enumerate() {
                let over = stream.is_over();
                prop_assert!(over || sent[i] == given[i] || windows[i] <= 0 || all <= 0, "stream {i} is stuck");
                prop_assert!(!ended[i] || sent[i] == given[i]);
            }
        }
    }
}
