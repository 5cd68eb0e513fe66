"""What selection methods share: candidates, interventions as data, cosines of classes, scores of next tokens."""
