//! Files that another program keeps: put back as they were once that program says the same again.

use std::fs;

use super::file;
use crate::apply::change::Value;
use crate::error::Error;

/// Puts files back, with owner, mode and time.
pub(super) fn put_back(files: &[(String, Value)], number: u64) -> Result<(), Error> {
    for (path, was) in files {
        if file::read(path)? == *was {
            continue;
        }
        match was {
            Value::File(image) => file::replace_with(path, image, number)?,
            Value::Absent => {
                fs::remove_file(path).map_err(|e| Error::broken(format!("cannot remove {path}")).because(e))?;
            }
            Value::Present | Value::Word(_) | Value::Kept(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_as_they_were_with_their_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("a"), "one").unwrap();
        let was: Vec<_> = ["a", "b"].map(|name| (path(name), file::read(&path(name)).unwrap())).into();
        fs::write(path("a"), "two").unwrap();
        fs::write(path("b"), "new").unwrap();
        put_back(&was, 1).unwrap();
        let now: Vec<_> = ["a", "b"].map(|name| (path(name), file::read(&path(name)).unwrap())).into();
        assert_eq!(was, now);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
