//! What posters look like: a file per design.

pub(super) mod classic;
pub(super) mod dark;
pub(super) mod pair;
pub(super) mod stand;
pub(super) mod sticker;

use heyi_common::platform::Platform;
use qrcode::types::QrError;

use super::{Subject, texts::Texts};
use crate::{pages::App, pictures::qr::Picture};

/// What is printed.
pub(super) struct Content<'a> {
    pub(super) name: &'a str,
    pub(super) words: &'static Texts,
    /// The apps that have a receive code here.
    pub(super) apps: Vec<App>,
    subject: &'a Subject,
}

impl<'a> Content<'a> {
    pub(super) fn of(subject: &'a Subject) -> Self {
        let platforms = subject.payloads.keys();
        Self {
            name: &subject.name,
            words: Texts::of(subject.language),
            apps: platforms
                .map(|platform| App::new(*platform, subject.language))
                .collect(),
            subject,
        }
    }

    fn composite(&self) -> Result<Picture, QrError> {
        Picture::new(&self.subject.url)
    }

    fn receive(&self, platform: Platform) -> Result<Picture, QrError> {
        let payload = self.subject.payloads.get(&platform);
        Picture::new(payload.map_or("", String::as_str))
    }
}
