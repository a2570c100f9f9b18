//! The page on which a code is reported.

use anyhow::Context as _;
use heyi_common::store::{MAX_REPORT_CONTACT, MAX_REPORT_TEXT, Reason};
use serde::Serialize;
use tera::Context;

use super::{Page, Pages};
use crate::http::language::Language;

/// What the page of a report shows.
#[derive(Debug, Serialize)]
pub(crate) struct ReportPage<'a> {
    /// The code's id.
    pub(crate) id: &'a str,
    /// What the owner calls it.
    pub(crate) name: &'a str,
    /// Whether the report is made, so that there is no form any more.
    pub(crate) is_sent: bool,
}

impl Pages {
    /// The form of a report, or the thanks for one.
    pub(crate) fn report(&self, page: &ReportPage<'_>, language: Language) -> anyhow::Result<Page> {
        let mut context = Context::from_serialize(page).context("fill report.html")?;
        context.insert("reasons", &Reason::ALL);
        context.insert("max_text", &MAX_REPORT_TEXT);
        context.insert("max_contact", &MAX_REPORT_CONTACT);
        let html = self.render("report.html", context, language)?;
        Ok(self.page(html))
    }

    pub(super) fn try_reports(&self, language: Language) -> anyhow::Result<()> {
        for is_sent in [false, true] {
            self.report(
                &ReportPage {
                    id: "",
                    name: "",
                    is_sent,
                },
                language,
            )?;
        }
        Ok(())
    }
}
