//! `GET /api/v1/ring`: the ring of a service that hashes. Who owns how much of it, and where a key lies.

use std::sync::Arc;

use axum::extract::{self, RawQuery};
use http::StatusCode;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::backends::no_service;
use super::query;
use super::rounded::significant;
use crate::balance::{Ring, hash_key};
use crate::policy::{Balance, KeyFrom};
use crate::snapshot::Service;

/// Into so many equal slices the ring is cut for those who draw it: half a degree each.
const SLICES: u64 = 720;

/// So many owners of a key are named: who has it, and who gets it next when that one is gone.
const OWNERS: usize = 5;

/// `GET /api/v1/ring`
pub(super) async fn ring(
    extract::State(shared): extract::State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    let (name, key) = parse(&query.unwrap_or_default()).map_err(Problem::bad_request)?;
    let service = shared.service(&name).ok_or_else(|| no_service(&name))?;
    match (service.balance, service.available.balancer.ring()) {
        (Balance::ConsistentHash(shape), Some(ring)) => {
            let mut document = document(&service, ring, key.as_deref());
            document["virtual_nodes"] = json!(shape.virtual_nodes);
            document["bounded_load"] = json!(shape.bounded_load);
            Ok(answer::json(&document))
        }
        (balance, _) => {
            let detail = format!("the service {name:?} has no ring: its `balance` is {:?}", balance.as_str());
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// The service that the query of a request names, and the key. An error says what is wrong with it.
fn parse(query: &str) -> Result<(String, Option<String>), String> {
    let (mut service, mut key) = (None, None);
    for (name, value) in query::parameters(query, &[])? {
        match &*name {
            "service" => service = Some(value.into_owned()),
            "key" => key = Some(value.into_owned()),
            other => return Err(format!("unknown parameter {other:?}: there are service and key")),
        }
    }
    Ok((service.ok_or("which service? ask with ?service=NAME")?, key))
}

fn document(service: &Service, ring: &Ring, key: Option<&str>) -> Value {
    let members = &service.available.members;
    let (widths, slices) = cut(ring, members.len());
    let weights: f64 = members.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let id = |place: usize| &*service.endpoints[members[place].0].id;
    let backends = members.iter().zip(widths).enumerate().map(|(place, ((_, weight), width))| {
        json!({
            "backend": id(place),
            "weight": weight,
            "share": significant(of_ring(width)),
            "fair_share": significant(f64::from(*weight) / weights),
        })
    });
    json!({
        "service": &*service.name,
        "hash_on": service.hash_on.as_ref().map(hash_on),
        "points": ring.len(),
        "backends": backends.collect::<Vec<_>>(),
        "slices": slices,
        "key": key.map(|key| json!({
            "key": key,
            "at": of_ring(u128::from(hash_key(key.as_bytes()))),
            "owners": owners(ring, key, members.len()).into_iter().map(id).collect::<Vec<_>>(),
        })),
    })
}

/// The share of the ring that so many of its places are.
fn of_ring(places: u128) -> f64 {
    places as f64 / (1_u128 << 64) as f64
}

/// How many places of the ring each of `count` owners has, and who owns the middle of each slice.
fn cut(ring: &Ring, count: usize) -> (Vec<u128>, Vec<usize>) {
    let mut widths = vec![0; count];
    ring.arcs().for_each(|(width, owner)| widths[owner] += u128::from(width));
    let slice = u64::MAX / SLICES;
    let middles = (0..SLICES).map(|at| at * slice + slice / 2);
    (widths, middles.filter_map(|middle| ring.owners_from(middle).next()).collect())
}

/// The first owners along the ring from a key, each once.
fn owners(ring: &Ring, key: &str, count: usize) -> Vec<usize> {
    let mut owners = Vec::new();
    for owner in ring.owners_from(hash_key(key.as_bytes())) {
        if owners.len() == OWNERS.min(count) {
            break;
        }
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    owners
}

/// What the key is taken from, as written in the file.
fn hash_on(from: &KeyFrom) -> String {
    match from {
        KeyFrom::ClientIp => "client_ip".to_owned(),
        KeyFrom::Path => "path".to_owned(),
        KeyFrom::Uri => "uri".to_owned(),
        KeyFrom::Header(name) => format!("header:{name}"),
        KeyFrom::Cookie(name) => format!("cookie:{name}"),
        KeyFrom::Query(name) => format!("query:{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_a_service_and_maybe_a_key() {
        assert_eq!(parse("service=api&key=a%20b"), Ok(("api".to_owned(), Some("a b".to_owned()))));
        assert_eq!(parse("service=api"), Ok(("api".to_owned(), None)));
        assert!(parse("key=a").is_err() && parse("service=api&n=1").is_err());
    }
}
