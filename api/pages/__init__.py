"""The web pages behind the links in messages: server-rendered, in Japanese and English, usable without JavaScript.

GET shows, POST acts. Rules live in the models; a page only says what they said.
"""

from fastapi import APIRouter

from api.pages.assets import router as assets
from api.pages.beacon import router as beacon
from api.pages.booking import router as booking
from api.pages.call import router as call
from api.pages.call_now import router as call_now
from api.pages.case import router as case
from api.pages.case_confirm import router as case_confirm
from api.pages.case_cross import router as case_cross
from api.pages.case_forms import router as case_forms
from api.pages.code import router as code
from api.pages.device import router as device
from api.pages.inquiry import router as inquiry
from api.pages.lost import router as lost
from api.pages.shop import router as shop
from api.pages.staff import router as staff
from api.pages.staff_deeds import router as staff_deeds

router = APIRouter(include_in_schema=False)
# Whoever confirms comes before the page whose token would be "confirm"; the last one takes what the others leave.
for pages in (
    shop,
    code,
    booking,
    inquiry,
    call,
    call_now,
    beacon,
    staff_deeds,
    staff,
    device,
    case_confirm,
    case,
    case_forms,
    case_cross,
    assets,
    lost,
):
    router.include_router(pages)

__all__ = ["router"]
