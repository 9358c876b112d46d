"""Small convolutions of counts, compiled for this processor: no call of torch's per layer."""
