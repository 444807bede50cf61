//! The pages of docs/recipes, done as whoever reads them does them: their files are saved, their commands are run, and what these print is compared with what the
//! page shows. [`Recipe`] says how. Each page has a module of its name here, which says in Rust what the page promises beyond what it shows.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod index;
mod others;
mod page;
mod printed;
mod recipe;

mod basic_auth;
mod behind_a_proxy;
mod blue_green;
mod canary;
mod certbot;
mod grpc;
mod https_redirect;
mod json_logs;
mod llm_servers;
mod maintenance;
mod mtls_to_backends;
mod prometheus_and_grafana;
mod rate_limits;
mod single_page_application;
mod tcp_database;
mod two_instances;
mod udp_dns;
mod websocket;

use recipe::Recipe;
