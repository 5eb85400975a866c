//! The description says what the routes do.

use serde_json::Value;

use super::openapi;
use super::routes::ROUTES;

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let document: Value = serde_json::from_slice(&openapi::description()).unwrap();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let described: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    let mut routes = ROUTES.to_vec();
    routes.sort_unstable();
    assert_eq!(described, routes);
    // Every reference leads somewhere.
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}
