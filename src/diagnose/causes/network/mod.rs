//! Causes of the network box.
