//! Causes of the container box.
