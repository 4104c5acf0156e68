//! Causes of the connect box.
