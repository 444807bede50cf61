//! Pictures as text, in `golden/`. `EVENKEEL_GOLDEN=write cargo test top::view` writes them anew; look at what has changed before it is kept.

use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::top::act::Command;
use crate::top::keys::Action;
use crate::top::report::{Report, Watch};
use crate::top::table::Step;
use crate::top::testing::{answer, document, later, model, now, press};

const DOWN: Action = Action::Select(Step::By(1));

fn picture(model: &Model, size: (u16, u16), has_colours: bool, now: Now) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let theme = Theme::new(has_colours);
    terminal
        .draw(|frame| {
            let area = frame.area();
            draw(frame.buffer_mut(), area, model, &theme, now);
        })
        .unwrap();
    terminal.backend().buffer().clone()
}

fn text(picture: &Buffer) -> String {
    let area = picture.area;
    let row = |y| (0..area.width).map(|x| picture[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..area.height).map(row).collect()
}

fn shown(model: &Model, now: Now) -> String {
    text(&picture(model, (80, 24), true, now))
}

/// Compares a picture with the one that is kept under this name.
fn is_golden(name: &str, model: &Model, size: (u16, u16)) {
    let file = Path::new(file!()).with_file_name("golden").join(format!("{name}-{}x{}.txt", size.0, size.1));
    let picture = text(&picture(model, size, true, now()));
    if std::env::var_os("EVENKEEL_GOLDEN").is_some() {
        std::fs::write(&file, &picture).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(picture == golden, "{} shows something else:\n{picture}", file.display());
}

/// The model on each of its screens, and with everything that lies over them.
fn all_screens() -> Vec<(&'static str, Model)> {
    let with = |keys: &[Action]| {
        let mut model = model();
        // two more answers, so that the curves have something to show
        for _ in 0..2 {
            model.hear(answer(&document()), now());
        }
        press(&mut model, keys);
        model
    };
    vec![
        ("overview", with(&[])),
        ("service", with(&[DOWN, Action::Open])),
        ("backend", with(&[DOWN, Action::Open, Action::Open])),
        ("question", with(&[DOWN, Action::Open, Action::Command(Command::Drain), Action::Type('x')])),
        ("help", with(&[Action::Help])),
        ("filter", with(&[Action::Filter, Action::Type('a'), Action::Type('p')])),
    ]
}

#[test]
fn the_screens_at_80_columns_are_as_they_were_judged_good() {
    for (name, model) in all_screens() {
        is_golden(name, &model, (80, 24));
    }
}

#[test]
fn the_screens_of_a_large_terminal_are_as_they_were_judged_good() {
    for (name, model) in all_screens().into_iter().take(3) {
        is_golden(name, &model, (200, 50));
    }
}

#[test]
fn before_the_first_answer_it_says_why_there_is_nothing() {
    let mut model = Model::new("http://127.0.0.1:9900".to_owned(), std::time::Duration::from_secs(1));
    assert!(shown(&model, now()).contains("connecting ..."));
    model.hear(Report::Trouble(Trouble::Failed("connection refused".to_owned())), now());
    assert!(shown(&model, now()).contains("no answer\nconnection refused"));
    model.hear(Report::Trouble(Trouble::Unauthorised("this needs a bearer token".to_owned())), now());
    let unauthorised = shown(&model, now());
    for words in ["unauthorised\nthis needs a bearer token", "--token-file"] {
        assert!(unauthorised.contains(words), "{unauthorised}");
    }
}

#[test]
fn what_is_stale_says_so_and_has_no_colour_left() {
    let mut model = model();
    model.hear(Report::Trouble(Trouble::Failed("connection refused".to_owned())), later(3));
    assert!(shown(&model, later(3)).contains("no answer (asking again): connection refused"));
    assert!(shown(&model, later(7)).contains("STALE: no answer for 7s  http://127.0.0.1:9900"));
    let picture = picture(&model, (80, 24), true, later(7));
    let body = (1..20).flat_map(|y| (0..80).map(move |x| (x, y)));
    let is_grey = |at| picture[at].fg == Color::Reset && picture[at].modifier.contains(Modifier::DIM);
    assert!(body.into_iter().all(is_grey));
}

#[test]
fn the_head_names_the_instance_and_the_leader() {
    let mut model = model();
    for (leads, leader, shown_as) in [
        (true, serde_json::json!("edge-1"), "ready  edge-1 leads"),
        (false, serde_json::json!("edge-2"), "ready  edge-1, edge-2 leads"),
        (false, serde_json::Value::Null, "ready  edge-1, NO LEADER"),
    ] {
        let mut next = document();
        next["cluster"] =
            serde_json::json!({ "name": "edge-1", "elected": true, "leader": leads, "leader_name": leader });
        model.hear(answer(&next), now());
        assert!(shown(&model, now()).contains(shown_as), "{}", shown(&model, now()));
    }
}

#[test]
fn maintenance_is_shown_as_such_and_a_spent_budget_comes_last_and_is_never_cut() {
    let mut next = document();
    next["services"]["web"]["maintenance"] = serde_json::json!(true);
    next["services"]["web"]["budget_left"] = serde_json::json!(-132.3);
    next["services"]["api"]["state"] = serde_json::json!("ok");
    next["services"]["api"]["words"] = serde_json::json!("");
    next["faults"] = serde_json::json!({});
    let mut model = model();
    model.hear(answer(&next), now());
    let picture = shown(&model, now());
    let line =
        |piece: &str| picture.lines().position(|line| line.contains(piece)).unwrap_or_else(|| panic!("{picture}"));
    let maintenance = line("maintenance: what happens does not count");
    let budget = line("the error budget of its window is spent: <-999% left");
    assert!(line("down     payments") < maintenance && maintenance < budget, "{picture}");
    assert!(picture.lines().any(|line| line.contains("maint.   web") && line.contains("<-999%")), "{picture}");
}

#[test]
fn no_service_is_no_empty_picture() {
    let mut model = model();
    let mut none = document();
    none["services"] = serde_json::json!({});
    model.hear(answer(&none), now());
    assert!(shown(&model, now()).contains("No service is configured."));
}

#[test]
fn when_all_is_well_it_says_so() {
    let mut model = model();
    let mut well = document();
    for name in ["api", "payments"] {
        well["services"][name]["state"] = "ok".into();
        well["services"][name]["words"] = "".into();
    }
    (well["faults"], well["recoveries"]) = (serde_json::json!({}), serde_json::json!({}));
    model.hear(answer(&well), now());
    assert!(
        shown(&model, now())
            .contains("ok: none of the 3 services has anything wrong\nbudget   payments the error budget")
    );
}

#[test]
fn what_is_gone_meanwhile_is_said_to_be_gone() {
    let mut model = model();
    press(&mut model, &[DOWN, Action::Open, Action::Open]);
    let mut without = document();
    without["service"]["backends"].as_object_mut().unwrap().remove("c");
    model.hear(answer(&without), now());
    assert!(shown(&model, now()).contains("There is no backend api/c any more."));
    press(&mut model, &[Action::Back]);
    without["services"].as_object_mut().unwrap().remove("api");
    model.hear(answer(&without), now());
    assert!(shown(&model, now()).contains("There is no service api any more."));
}

#[test]
fn a_state_has_its_colour_and_without_colours_its_word() {
    let mut model = model();
    press(&mut model, &[Action::Select(Step::Last)]);
    let coloured = picture(&model, (80, 24), true, now());
    assert_eq!((coloured[(0, 1)].symbol(), coloured[(0, 1)].fg), ("d", Color::Red));
    for (name, model) in all_screens() {
        let plain = picture(&model, (80, 24), false, now());
        let is_plain = |at| plain[at].fg == Color::Reset && plain[at].bg == Color::Reset;
        assert!((0..24).flat_map(|y| (0..80).map(move |x| (x, y))).all(is_plain), "{name}");
        assert_eq!(text(&plain), text(&picture(&model, (80, 24), true, now())), "{name}");
    }
}

#[test]
fn the_selected_row_is_marked_and_stays_in_sight() {
    let mut many = document();
    for number in 0..100 {
        many["services"][format!("s{number:02}")] = many["services"]["web"].clone();
    }
    let mut model = model();
    model.hear(answer(&many), now());
    for selected in [Step::First, Step::By(50), Step::Last] {
        press(&mut model, &[Action::Select(selected)]);
        let picture = picture(&model, (80, 24), true, now());
        let marked: Vec<_> = text(&picture).lines().filter(|line| line.starts_with('▶')).map(str::to_owned).collect();
        let name = model.services.current(&model.live.as_ref().unwrap().services.0).unwrap().name.clone();
        assert!(marked.len() == 1 && marked[0].contains(&name), "{name}: {marked:?}");
        let is_reversed = |y| picture[(5, y)].modifier.contains(Modifier::REVERSED);
        assert_eq!((0..24).filter(|y| is_reversed(*y)).count(), 1);
    }
}

#[test]
fn no_size_is_too_small_or_too_large_to_be_drawn() {
    for (name, model) in all_screens() {
        for size in [(1, 1), (59, 40), (80, 11)] {
            picture(&model, size, true, now());
        }
        for size in [(60, 12), (61, 13), (79, 12), (100, 13), (133, 20), (300, 80)] {
            let text = text(&picture(&model, size, true, now()));
            let last = text.lines().last().unwrap();
            let has_keys = ["q quit", "Esc"].iter().any(|key| last.contains(key));
            // the help covers all of the smallest terminal
            assert!(has_keys || name == "help", "{name} at {size:?}:\n{text}");
        }
    }
    assert!(text(&picture(&model(), (50, 10), true, now())).contains("needs a terminal of 60 x 12;"));
}

#[test]
fn the_smallest_terminal_shows_the_whole_help() {
    let mut model = model();
    press(&mut model, &[Action::Help]);
    let text = text(&picture(&model, SMALLEST, true, now()));
    for (_, what) in crate::top::keys::HELP {
        assert!(text.contains(what), "{what:?} is missing:\n{text}");
    }
}

#[test]
fn nothing_that_comes_from_outside_moves_the_cursor() {
    let mut evil = document();
    let text = "\u{1b}[2J\u{7}\r\nevil";
    evil["services"]["api"]["words"] = text.into();
    evil["service"]["backends"]["c"]["reason"] = text.into();
    evil["version"] = text.into();
    let mut model = model();
    let watch = Watch { service: Some("api".to_owned()), backend: None };
    press(&mut model, &[DOWN, Action::Open]);
    model.hear(
        Report::Answer { watch, live: Box::new(Live::read(evil).unwrap()), events: Vec::new(), why: Vec::new() },
        now(),
    );
    for screen in [&[][..], &[Action::Open][..]] {
        for key in screen {
            model.press(*key, now());
        }
        let picture = picture(&model, (80, 24), true, now());
        assert!(picture.content.iter().all(|cell| !cell.symbol().contains(char::is_control)));
    }
}
