//! A relay before a real Netdata Agent, which remembers what was asked of it.

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Passes every GET on to the agent and its answer back.
pub fn relay(agent_url: String) -> Router {
    Router::new().fallback(pass_on).with_state(agent_url)
}

async fn pass_on(State(agent_url): State<String>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("{agent_url}{path}")).send().await.expect("the agent answers");
    let status = StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    (status, answer.bytes().await.expect("a body")).into_response()
}
