//! Whom to trust: the system's certificates, and those of a file where one is given.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

/// Sets up TLS that verifies always, and offers HTTP/2 before HTTP/1.1.
///
/// Fails with a sentence that names the file, or says that the system has no certificates.
pub(super) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let extra = ca_file.map_or(Ok(Vec::new()), certificates)?;
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
        .map_err(|cause| format!("cannot set up TLS: {cause}; name certificates with --ca-file"))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| format!("cannot set up TLS: {cause}"))?
        .dangerous() // What rustls calls any verifier but its own; this one verifies as the system does.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fail = |cause| format!("cannot read certificates from {}: {cause}", path.display());
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| fail(cause.to_string()))?;
    if found.is_empty() {
        return Err(fail("it holds none in PEM form".into()));
    }
    Ok(found)
}
