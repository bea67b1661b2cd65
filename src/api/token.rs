//! The bearer token: made at the first start, kept in `secrets/`.

use std::io;

use crate::package::Packages;
use crate::store::{StoreError, write_private};

/// Name of the token's file in `secrets/`.
pub const TOKEN_FILE: &str = crate::catalog::TOKEN_SECRET;

/// The token: that of the last start, or, where that is missing or empty, a new one.
///
/// # Errors
/// [`StoreError`] where the file cannot be read or written, or holds what cannot be sent in a header. It is not replaced
/// then: somebody put it there.
pub(crate) fn load_or_make(packages: &Packages) -> Result<String, StoreError> {
    let path = packages.secret_file(TOKEN_FILE);
    let fail = |doing| {
        let path = path.clone();
        move |source| StoreError {
            doing,
            path,
            source,
        }
    };
    match std::fs::read_to_string(&path).map(|text| text.trim().to_owned()) {
        Ok(token) if token.is_empty() => {}
        Ok(token) if token.chars().all(|letter| letter.is_ascii_graphic()) => return Ok(token),
        Ok(_) => {
            let what = "a token is one line of visible ASCII characters; remove the file, and the next start makes one";
            return Err(fail("use")(io::Error::new(
                io::ErrorKind::InvalidData,
                what,
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(fail("read")(source)),
    }
    let token = crate::package::generate_secret().map_err(fail("get random bytes for"))?;
    write_private(&path, token.as_bytes())?;
    Ok(token)
}
