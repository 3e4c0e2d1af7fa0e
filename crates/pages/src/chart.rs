//! Drawings as SVG, made on the server: no script is needed to see them.
