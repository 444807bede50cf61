//! Does the check see what it must see?

use super::{Violation, check};

/// The arrows that are found in a file, as `line from->to`.
fn arrows(file: &str, text: &str) -> Vec<String> {
    check(file, text).iter().map(|v| format!("{} {}->{}", v.line, v.from, v.to)).collect()
}

#[test]
fn an_arrow_down_is_fine_and_one_up_or_sideways_is_not() {
    assert_eq!(arrows("forward/http.rs", "use crate::route::Table;\nuse crate::forward::x;"), [""; 0]);
    assert_eq!(arrows("route/mod.rs", "\nuse crate::forward::http;"), ["2 route->forward"]);
    assert_eq!(arrows("route/mod.rs", "fn f(x: crate::balance::Cursor) {}"), ["1 route->balance"]);
    assert_eq!(arrows("timer.rs", "use crate::policy::Pool;"), ["1 timer->policy"]);
    assert_eq!(arrows("cli/run.rs", "use crate::app;"), [""; 0]);
}

#[test]
fn forward_sees_neither_configuration_nor_health() {
    assert_eq!(arrows("forward/mod.rs", "use crate::config::model;"), ["1 forward->config"]);
    assert_eq!(arrows("forward/mod.rs", "use crate::{health, error};"), ["1 forward->health"]);
}

#[test]
fn only_two_files_see_both_configuration_and_what_is_live() {
    let both = "use crate::endpoint::Live;\nuse crate::config::model;";
    assert_eq!(arrows("snapshot/build.rs", both), [""; 0]);
    assert_eq!(arrows("snapshot/build/tests.rs", both), [""; 0]);
    assert_eq!(arrows("app.rs", both), [""; 0]);
    assert_eq!(arrows("snapshot/builder.rs", both), ["2 snapshot->config"]);
    assert_eq!(arrows("snapshot/view.rs", both), ["2 snapshot->config"]);
    assert_eq!(arrows("admin/status.rs", both), ["2 admin->config"]);
    assert_eq!(arrows("config/check.rs", both), ["1 config->endpoint"]);
}

#[test]
fn a_room_that_is_not_in_the_table_is_reported() {
    assert_eq!(arrows("novel/mod.rs", ""), ["1 novel->novel"]);
    assert_eq!(arrows("forward/mod.rs", "use crate::novel::X;"), ["1 forward->novel"]);
    assert_eq!(arrows("forward/mod.rs", "use crate::*;"), ["1 forward->*"]);
}

#[test]
fn groups_and_lines_are_read() {
    let text = "use crate::{\n    self,\n    error::{Error, Kind},\n    forward, // up\n    route::{Path, x::{y}}, listener::z,\n};";
    assert_eq!(arrows("snapshot/view.rs", text), ["4 snapshot->forward", "5 snapshot->listener"]);
    assert_eq!(arrows("route/mod.rs", "use crate ::\n  forward;"), ["2 route->forward"]);
    assert_eq!(arrows("main.rs", "use evenkeel::{cli, nothing};"), ["1 main->nothing"]);
}

#[test]
fn a_way_out_by_super_is_seen() {
    assert_eq!(arrows("route/mod.rs", "use super::forward::x;"), ["1 route->forward"]);
    assert_eq!(arrows("route/table.rs", "use super::super::{error, forward};"), ["1 route->forward"]);
    assert_eq!(arrows("route/table.rs", "use super::forward;"), [""; 0], "a module of its own");
    assert_eq!(arrows("route/mod.rs", "mod tests { use super::*; }"), [""; 0]);
}

#[test]
fn comments_and_texts_are_not_code() {
    let text = r###"
        //! [`crate::forward`]
        /* crate::forward /* crate::admin */ crate::admin */
        const A: &str = "crate::forward \" crate::forward";
        const B: &str = r#"crate::forward " crate::forward"#;
        const C: [char; 3] = ['"', '\'', '\u{22}'];
        fn f<'a>(x: &'a str) {} // "
        use crate::admin;
    "###;
    assert_eq!(arrows("route/mod.rs", text), ["8 route->admin"]);
}

#[test]
fn a_violation_says_where_and_why() {
    let violations = check("route/mod.rs", "use crate::admin;");
    let want = "src/route/mod.rs:1: `route` imports `admin`: it goes up, from floor 2 to floor 6: \
                hand it in as an argument, or move what is needed down";
    assert_eq!(violations.iter().map(Violation::to_string).collect::<Vec<_>>(), [want]);
}
