"""Where states are kept between two syncs."""
