//! Pages of failures.

use axum::http::StatusCode;
use tera::Context;

use super::{Page, Pages};
use crate::http::{
    error::{Failure, OrderState},
    language::Language,
};

impl Pages {
    /// The page of a failure: what happened, and what to do.
    pub(crate) fn failure(
        &self,
        status: StatusCode,
        failure: &Failure,
        language: Language,
    ) -> anyhow::Result<Page> {
        let mut context = Context::new();
        context.insert("status", &status.as_u16());
        context.insert("errmsg", &failure.errmsg);
        context.insert("state", &failure.state);
        let template = match failure.state {
            Some(_) => "order.html",
            None => template(status),
        };
        let html = self.render(template, context, language)?;
        Ok(self.page(html))
    }

    pub(super) fn try_failures(&self, language: Language) -> anyhow::Result<()> {
        for status in [400, 404, 405, 408, 409, 410, 413, 422, 429, 500, 502, 503] {
            self.failure(StatusCode::from_u16(status)?, &Failure::default(), language)?;
        }
        for state in OrderState::ALL {
            let failure = Failure {
                state: Some(state),
                ..Failure::default()
            };
            self.failure(StatusCode::INTERNAL_SERVER_ERROR, &failure, language)?;
        }
        Ok(())
    }
}

fn template(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "404.html",
        StatusCode::GONE => "410.html",
        status if status.is_server_error() => "500.html",
        _ => "400.html",
    }
}
