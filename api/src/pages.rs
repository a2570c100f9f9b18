//! The pages of `templates/`: one typed function each.

mod code;
mod failure;
mod report;
mod skeleton;

use anyhow::Context as _;
use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};
use tera::{Context, Tera};

pub(crate) use code::{App, CodePage, View};
pub(crate) use report::ReportPage;

use self::code::Skeletons;
use crate::language::Language;

const STYLE: &str = include_str!("../../templates/style.css");

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// The templates, ready to render.
pub(crate) struct Pages {
    tera: Tera,
    skeletons: Skeletons,
    policy: HeaderValue,
}

impl Pages {
    /// Reads all templates and renders each in every way, so that a broken one is found at the start.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut tera = Tera::new();
        tera.add_raw_templates(templates![
            "base.html",
            "qrcode.html",
            "steps.html",
            "report.html",
            "400.html",
            "404.html",
            "410.html",
            "500.html",
        ])
        .context("read the templates")?;
        let pages = Self {
            tera,
            skeletons: Skeletons::default(),
            policy: policy()?,
        };
        for language in Language::ALL {
            pages.try_codes(language)?;
            pages.try_failures(language)?;
            pages.try_reports(language)?;
        }
        Ok(pages)
    }

    fn render(
        &self,
        name: &str,
        mut context: Context,
        language: Language,
        style: &str,
    ) -> anyhow::Result<String> {
        context.insert("style", style);
        context.insert("language", language.tag());
        context.insert("zh", &(language == Language::Chinese));
        let html = self.tera.render(name, &context);
        html.with_context(|| format!("render {name}"))
    }

    fn page(&self, html: String) -> Page {
        Page {
            html,
            policy: self.policy.clone(),
        }
    }
}

/// No scripts, no style but ours, nothing from elsewhere, in nobody's frame.
fn policy() -> anyhow::Result<HeaderValue> {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; img-src 'self' data:; style-src 'sha256-{style}'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).context("the policy is no header")
}

/// A rendered page, with the headers of one.
#[derive(Debug)]
pub(crate) struct Page {
    html: String,
    policy: HeaderValue,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_SECURITY_POLICY, self.policy)];
        (headers, Html(self.html)).into_response()
    }
}
