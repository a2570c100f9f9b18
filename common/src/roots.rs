//! The trusted certificate authorities of TLS connections to the stores.
//!
//! Uses the system's, so that an authority that the operator installed is trusted; `SSL_CERT_FILE` names another file.
//! rustls-platform-verifier would do this only for HTTP: the drivers of both stores take certificates.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// The file with the system's authorities, if it exists.
pub(crate) fn system_file() -> Option<PathBuf> {
    openssl_probe::probe().cert_file
}

/// The certificates of a file that can be roots, as PEM. A system's file may have some that cannot.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let is_root =
        |certificate: &CertificateDer<'_>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let mut roots = String::new();
    for root in certificates.filter_map(|found| found.ok().filter(is_root)) {
        roots.push_str("-----BEGIN CERTIFICATE-----\n");
        roots.push_str(&STANDARD.encode(root));
        roots.push_str("\n-----END CERTIFICATE-----\n");
    }
    if roots.is_empty() {
        return Err("it holds no certificate in PEM format".to_owned());
    }
    Ok(roots.into_bytes())
}
