"""How people leave: policies, the brake, the record, and what comes later."""
