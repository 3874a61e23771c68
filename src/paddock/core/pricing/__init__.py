"""What a month on AWS costs: exact decimal arithmetic on the numbers given. Knows no catalogue and no date."""
