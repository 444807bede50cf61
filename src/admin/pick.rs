//! `GET /api/v1/pick`: which backends the balancer would choose now, and why. Nothing is changed by asking: the picks are made
//! with a turn and a random source of their own.

use std::sync::Arc;

use axum::extract::{self, RawQuery};
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends::no_service;
use super::query;
use crate::balance::{Cursor, Pick, Tried, hash_key};
use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::policy::Balance;
use crate::snapshot::Service;

/// The most picks that may be asked for at once.
const MOST: usize = 1000;

/// `GET /api/v1/pick`
pub(super) async fn pick(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let question = PickQuery::parse(&query.unwrap_or_default()).map_err(Problem::bad_request)?;
    let name = question.service().map_err(Problem::bad_request)?;
    match shared.store.load().services.iter().find(|service| &*service.name == name) {
        Some(service) => Ok(answer::json(&question.answer(service))),
        None => Err(no_service(name)),
    }
}

/// What the query of a request asks for.
#[derive(Debug, Default)]
struct PickQuery {
    service: Option<String>,
    key: Option<String>,
    count: Option<usize>,
}

impl PickQuery {
    /// Reads the query of a request; an error says what is wrong with it.
    fn parse(query: &str) -> Result<Self, String> {
        let mut question = Self::default();
        for (name, value) in query::parameters(query, &[])? {
            match &*name {
                "service" => question.service = Some(value.into_owned()),
                "key" => question.key = Some(value.into_owned()),
                "n" => match value.parse() {
                    Ok(count) if (1..=MOST).contains(&count) => question.count = Some(count),
                    _ => return Err(format!("n must be a number from 1 to {MOST}")),
                },
                other => return Err(format!("unknown parameter {other:?}: there are service, key and n")),
            }
        }
        Ok(question)
    }

    /// The service that the query names.
    fn service(&self) -> Result<&str, String> {
        self.service.as_deref().ok_or_else(|| "which service? ask with ?service=NAME".to_owned())
    }

    /// The answer, with this service.
    fn answer(&self, service: &Service) -> Value {
        let now = Moment::now();
        let mut cursor = Cursor::new(0);
        let mut random = fastrand::Rng::new();
        let key = hash_key(self.key.as_deref().unwrap_or_default().as_bytes());
        let picks: Vec<Value> = (0..self.count.unwrap_or(1))
            .map_while(|_| {
                service.pick(Pick { cursor: &mut cursor, tried: Tried::default(), random: &mut random, now, key })
            })
            .map(|index| {
                let endpoint = &*service.endpoints[index];
                json!({ "backend": &*endpoint.id, "why": why(service, endpoint, now) })
            })
            .collect();
        let candidates: Vec<Value> = service
            .available
            .members
            .iter()
            .map(|&(index, weight)| {
                let endpoint = &service.endpoints[index];
                let average = endpoint.live.latency.average(now);
                json!({
                    "backend": &*endpoint.id,
                    "weight": weight,
                    "in_flight": endpoint.live.in_flight(),
                    "ewma_ms": average.map(|average| average.as_secs_f64() * 1e3),
                })
            })
            .collect();
        json!({
            "service": &*service.name,
            "balance": service.balance.as_str(),
            "key": self.key,
            "panic": service.available.panic,
            "picks": picks,
            "candidates": candidates,
        })
    }
}

/// Why a backend was picked, in words.
fn why(service: &Service, endpoint: &Endpoint, now: Moment) -> String {
    let in_flight = endpoint.live.in_flight();
    match service.balance {
        Balance::RoundRobin => "next in turn".to_owned(),
        Balance::WeightedRoundRobin => format!("next in turn, by its weight of {}", endpoint.weight),
        Balance::LeastConnections => format!("fewest in flight: {in_flight}"),
        Balance::WeightedLeastConnections => {
            format!("fewest in flight for its weight: {in_flight} at {}", endpoint.weight)
        }
        Balance::ResourceBased => match endpoint.live.load.last() {
            Some((report, at)) => format!(
                "the less loaded of two: cpu {}, memory {}, {} ms ago",
                shown(report.cpu),
                shown(report.memory),
                now.since(at).as_millis()
            ),
            None => "the less loaded of two; it has reported nothing".to_owned(),
        },
        Balance::ResponseTime => match endpoint.live.latency.average(now) {
            Some(average) => format!("lowest expected time: {:.1} ms x ({in_flight} + 1)", average.as_secs_f64() * 1e3),
            None => "not asked yet".to_owned(),
        },
        Balance::ConsistentHash(_) => "the key's place on the ring".to_owned(),
        Balance::PowerOfTwo => format!("the less loaded of two: {in_flight} in flight"),
    }
}

fn shown(share: Option<f32>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.0} %", share * 100.0))
}
