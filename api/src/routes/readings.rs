//! Signed texts are unambiguous: no two accepted requests have the same signed text.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
};
use heyi_common::sign::{self, ROUTE, Routed, SIGN, Sorted, TS};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;
use tower::ServiceExt;

use super::{router, tests};
use crate::http::params::SIGNED;

/// The parameters of each signed route besides the signature, as in the OpenAPI document.
type Table = BTreeMap<String, BTreeSet<String>>;
/// A request: its route and its parameters.
type Reading = (String, sign::Params);

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(table())
});

async fn table() -> Table {
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let request = Request::get("/openapi.json").extension(ConnectInfo(peer));
    let request = request.body(Body::empty()).unwrap();
    let response = router(tests::state().await).oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let document: Value = serde_json::from_slice(&body).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let routes = paths.map(|(path, methods)| {
        let parameters = methods["get"]["parameters"].as_array();
        let names = parameters.into_iter().flatten();
        let names = names.map(|parameter| parameter["name"].as_str().unwrap().to_owned());
        (path.clone(), names.collect())
    });
    routes
        .filter(|(_, names): &(String, BTreeSet<String>)| names.contains(SIGN))
        .collect()
}

/// Whether a request may have these parameters, regardless of their values.
fn is_accepted(route: &str, params: &sign::Params) -> bool {
    let Some(known) = TABLE.get(route) else {
        return false;
    };
    params.keys().all(|name| known.contains(name))
        && params.values().all(|value| !value.is_empty())
        && sign::second_reading(params, &SIGNED).is_none()
}

fn text(route: &str, params: &sign::Params) -> String {
    let routed = Routed { route, params };
    let pairs: Vec<String> = routed
        .pairs()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// All requests with this signed text, accepted or not: each `&<name>=` may or may not start a parameter.
fn readings(text: &str) -> Vec<Reading> {
    let begins = |at: &usize| {
        let rest = &text[at + 1..];
        SIGNED.iter().any(|name| {
            rest.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('='))
        })
    };
    let places: Vec<usize> = text
        .match_indices('&')
        .map(|(at, _)| at)
        .filter(begins)
        .take(12)
        .collect();
    let all = 0..1_u32 << places.len();
    all.filter_map(|chosen| {
        let chosen = (0..).zip(&places).filter(|(bit, _)| chosen >> bit & 1 == 1);
        reading(text, chosen.map(|(_, at)| *at))
    })
    .collect()
}

fn reading(text: &str, cuts: impl Iterator<Item = usize>) -> Option<Reading> {
    let mut pairs = Vec::new();
    let mut from = 0;
    for cut in cuts.chain([text.len()]) {
        pairs.push(text[from..cut].split_once('=')?);
        from = cut + 1;
    }
    let is_sorted = pairs.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let mut params: sign::Params = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let route = params.remove(ROUTE)?;
    is_sorted.then_some((route, params))
}

#[test]
fn the_names_of_all_signed_routes_are_known_where_values_are_checked() {
    let mut names: BTreeSet<&str> = TABLE.values().flatten().map(String::as_str).collect();
    assert!(names.remove(SIGN) && names.insert(ROUTE) && names.contains(TS));
    assert_eq!(names, BTreeSet::from(SIGNED));
    assert!(TABLE.len() >= 6, "{:?}", TABLE.keys());
}

#[test]
fn an_order_whose_receive_code_names_a_code_reads_like_a_deletion_and_is_refused() {
    let data = r#"{"payloads":{"qq":"https://i.qianbao.qq.com/?a=1&id=000000000000000000000000&route=/del&ts=1"}}"#;
    let order = [("data", data), ("totalFee", "990"), ("ts", "1767225600")];
    let order: sign::Params = order
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let readings = readings(&text("/newOrder", &order));
    assert!(readings.len() > 1, "{readings:?}");
    assert!(readings.contains(&("/newOrder".to_owned(), order)));
    // None of them is accepted, whichever was meant; an unambiguous encoding is.
    let accepted = |(route, params): &&Reading| is_accepted(route, params);
    let count = readings.iter().filter(accepted).count();
    assert_eq!(count, 0, "{readings:?}");
    let escaped = data.replace('&', "\\u0026");
    let order = [("data", escaped.as_str()), ("totalFee", "990")];
    let order = order.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert!(is_accepted("/newOrder", &order.into()));
}

/// Values that contain text like further parameters.
fn value() -> impl Strategy<Value = String> {
    let names = || select(SIGNED.to_vec());
    let piece = prop_oneof![
        3 => names().prop_map(|name| format!("&{name}=")),
        1 => names().prop_map(str::to_owned),
        1 => Just("&route=/del".to_owned()),
        1 => Just("&route=/newOrder&totalFee=990&ts=1767225600".to_owned()),
        4 => select(vec!["&", "=", "1", "990", "x", "&f=wallet", "\u{4e2d}", "%26", "\\u0026", "{}"])
            .prop_map(str::to_owned),
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// Any request, with some of its route's parameters.
fn request() -> impl Strategy<Value = Reading> {
    let routes: Vec<_> = TABLE.clone().into_iter().collect();
    select(routes).prop_flat_map(|(route, names)| {
        let names: Vec<_> = names.into_iter().filter(|name| name != SIGN).collect();
        let values = vec(value(), names.len());
        values.prop_map(move |values| {
            let params = names.iter().cloned().zip(values);
            let params = params.filter(|(_, value)| !value.is_empty());
            (route.clone(), params.collect())
        })
    })
}

/// Any request, with values encoded unambiguously.
fn accepted() -> impl Strategy<Value = Reading> {
    request().prop_map(|(route, mut params)| {
        if sign::second_reading(&params, &SIGNED).is_some() {
            let values = params.values_mut();
            values.for_each(|value| *value = value.replace('&', "\\u0026"));
        }
        (route, params)
    })
}

proptest! {
    #[test]
    fn an_accepted_request_is_the_only_one_with_its_text((route, params) in request()) {
        let text = text(&route, &params);
        let readings = readings(&text);
        let accepted: Vec<_> = readings
            .iter()
            .filter(|(route, params)| is_accepted(route, params))
            .collect();
        prop_assert!(accepted.len() <= 1, "{} reads as {:?}", text, accepted);
        if is_accepted(&route, &params) {
            prop_assert_eq!(accepted, [&(route, params)]);
        }
    }

    #[test]
    fn two_accepted_requests_differ_in_their_texts(one in accepted(), other in accepted()) {
        prop_assert!(is_accepted(&one.0, &one.1), "{:?}", one);
        prop_assert_eq!(one == other, text(&one.0, &one.1) == text(&other.0, &other.1));
    }
}
