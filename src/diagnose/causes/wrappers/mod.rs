//! Causes of the wrappers box.
