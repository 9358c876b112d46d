"""How layers are cut and cores are shared: rules of the hardware, or those of Intel's compiler."""
