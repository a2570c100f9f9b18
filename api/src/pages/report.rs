//! The page for reporting a code.

use anyhow::Context as _;
use heyi_common::store::{MAX_REPORT_CONTACT, MAX_REPORT_TEXT, Reason};
use serde::Serialize;
use tera::Context;

use super::{Page, Pages};
use crate::http::language::Language;

/// The variables of the report page.
#[derive(Debug, Serialize)]
pub(crate) struct ReportPage<'a> {
    /// The code's id.
    pub(crate) id: &'a str,
    /// The owner's name for it.
    pub(crate) name: &'a str,
    /// Whether the report was sent, so that the page shows no form.
    pub(crate) is_sent: bool,
}

impl Pages {
    /// The report form, or the thanks for a report.
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
