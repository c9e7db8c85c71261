"""The demo people and templates. Everybody and every place here is invented; the phones belong to nobody."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with a phone in their hand. `imported`: stands in the import list with their openid.

    `known` without `imported` is the doctor who is on the list but has yet to verify; a person who is
    neither is a stranger. Fields that do not apply are empty.
    """

    openid: str
    name: str
    account: str
    kind: str  # imported | unbound | stranger | patient
    hint: str
    following: bool = True
    external_id: str = ""
    hospital: str = ""
    tier: str = ""
    department: str = ""
    title: str = ""
    city: str = ""
    phone: str = ""
    interests: str = ""
    rep: str = ""


DOCTORS = (
    Person(
        openid="oSbx1Dctr_ChenJia000000001aA",
        name="陈甲",
        account="sandbox",
        kind="imported",
        hint="县医院内分泌科，常问糖尿病用药",
        external_id="DEMO-D001",
        hospital="示例县人民医院",
        tier="二级甲等",
        department="内分泌科",
        title="主治医师",
        city="示例市",
        phone="13900000101",
        interests="糖尿病;肾功能不全用药",
        rep="周代表（演示）",
    ),
    Person(
        openid="oSbx1Dctr_LiYi0000000000002b",
        name="李乙",
        account="sandbox",
        kind="imported",
        hint="乡镇卫生院全科，看高血压最多",
        external_id="DEMO-D002",
        hospital="样板镇中心卫生院",
        tier="一级甲等",
        department="全科医学科",
        title="执业医师",
        city="示例市",
        phone="13900000102",
        interests="高血压;老年用药",
        rep="周代表（演示）",
    ),
    Person(
        openid="oSbx1Dctr_WangBing0000000003",
        name="王丙",
        account="sandbox",
        kind="imported",
        hint="社区中心，话不多，喜欢短答案",
        external_id="DEMO-D003",
        hospital="演示区第二社区卫生服务中心",
        tier="一级",
        department="内科",
        title="副主任医师",
        city="演示市",
        phone="13900000103",
        interests="血脂异常;冠心病",
        rep="吴代表（演示）",
    ),
    Person(
        openid="oSbx1Dctr_ZhaoDing000000004c",
        name="赵丁",
        account="sandbox",
        kind="imported",
        hint="县中医院心内科，关心相互作用",
        external_id="DEMO-D004",
        hospital="示例县中医院",
        tier="二级乙等",
        department="心血管内科",
        title="主治医师",
        city="示例市",
        phone="13900000104",
        interests="高血压;药物相互作用",
        rep="吴代表（演示）",
    ),
    Person(
        openid="oSbx1Dctr_OuYangWu00000000-5",
        name="欧阳戊",
        account="sandbox",
        kind="imported",
        hint="村卫生室，语音提问多",
        external_id="DEMO-D005",
        hospital="虚构村卫生室",
        tier="未定级",
        department="全科",
        title="乡村医生",
        city="样板市",
        phone="13900000105",
        interests="糖尿病;高血压",
        rep="周代表（演示）",
    ),
    Person(
        openid="oSbx1Dctr_SunJi000000000006d",
        name="孙己",
        account="sandbox",
        kind="unbound",
        hint="在名单里，但还没认证：用下面的姓名、医院、手机试一次；邀请码见 make run 的输出",
        following=False,
        external_id="DEMO-D006",
        hospital="演示区人民医院",
        tier="二级甲等",
        department="心血管内科",
        title="住院医师",
        city="演示市",
        phone="13900000106",
        interests="血脂异常",
        rep="吴代表（演示）",
    ),
)

STRANGER = Person(
    openid="oSbx1Dctr_Newcomer00000007eE",
    name="新访客",
    account="sandbox",
    kind="stranger",
    hint="不在名单里：认证应当通不过，也读不到任何产品内容",
    following=False,
)

WAITING = Person(
    openid="oSbx1Hist_Newcomer0000000001",
    name="魏七",
    account="sandbox",
    kind="unbound",
    hint="报的医院和名单对不上，等同事在工作台确认",
)

PATIENTS = (
    Person(
        openid="oSbx2Ptnt_QianNaiNai000001fF",
        name="钱奶奶",
        account="sandbox-patient",
        kind="patient",
        hint="72 岁，高血压，说话口语化",
    ),
    Person(
        openid="oSbx2Ptnt_ZhengShiFu000002gG",
        name="郑师傅",
        account="sandbox-patient",
        kind="patient",
        hint="58 岁，糖尿病，常忘记吃药",
    ),
    Person(
        openid="oSbx2Hist_HeShen0000000003hH",
        name="何婶",
        account="sandbox-patient",
        kind="patient",
        hint="make run 的演示历史里要过人工，等关怀团队回话",
    ),
)

PEOPLE = (*DOCTORS, STRANGER, WAITING, *PATIENTS)

COLUMNS = (
    ("姓名", "name"),
    ("医院", "hospital"),
    ("医院等级", "tier"),
    ("科室", "department"),
    ("职称", "title"),
    ("城市", "city"),
    ("手机", "phone"),
    ("关注领域", "interests"),
    ("负责代表", "rep"),
)


def write_doctors(path: Path) -> None:
    """The demo doctors as the import list (CSV, UTF-8, Chinese header)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*(header for header, _ in COLUMNS), "渠道", "渠道账号", "外部编号"])
        for doctor in DOCTORS:
            bound = doctor.kind == "imported"
            rows.writerow(
                [
                    *(getattr(doctor, name) for _, name in COLUMNS),
                    f"wechat:{doctor.account}" if bound else "",
                    doctor.openid if bound else "",
                    doctor.external_id,
                ]
            )


def read_doctors(path: Path) -> tuple[Person, ...]:
    """Those of an import list who have an openid here."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["渠道账号"]]
    return tuple(
        Person(
            openid=row["渠道账号"],
            account=row["渠道"].partition(":")[2],
            kind="history",
            hint="工作台里有以前的往来",
            external_id=row["外部编号"],
            name=row["姓名"],
            hospital=row["医院"],
            tier=row["医院等级"],
            department=row["科室"],
            title=row["职称"],
            city=row["城市"],
            interests=row["关注领域"],
            rep=row["负责代表"],
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class DemoTemplate:
    """A template as the platform holds it: `fields` are its keywords and the labels shown on the card."""

    id: str
    title: str
    fields: dict[str, str]
    audience: str = ""
    purpose: str = ""
    uses: dict[str, str] = field(default_factory=dict)  # the gateway's field name -> the platform's


TEMPLATES = (
    DemoTemplate(
        id="sbxMeetingNotice_3vQ8kZr1TfLw0aYdHnPu5xCgE",
        title="会议通知",
        fields={"thing1": "会议名称", "time2": "会议时间", "thing3": "会议地点"},
        audience="doctor",
        purpose="meeting",
        uses={"title": "thing1", "time": "time2", "place": "thing3"},
    ),
    DemoTemplate(
        id="sbxServiceNotice_7bN2mXs9RjKe4oVcWqTi6yDhA",
        title="服务进度通知",
        fields={"thing1": "服务事项", "time2": "更新时间", "thing3": "当前进度"},
        audience="doctor",
        purpose="service",
        uses={"title": "thing1", "time": "time2", "status": "thing3"},
    ),
    DemoTemplate(
        id="sbxDoseReminder_1pL6hGu0WzBv8sMfJtXo2rQkN",
        title="用药提醒",
        fields={"thing1": "药品", "thing2": "用法", "time3": "时间"},
        audience="patient",
        purpose="medication",
        uses={"drug": "thing1", "dose": "thing2", "time": "time3"},
    ),
    DemoTemplate(
        id="sbxFollowUp_5dK9yFc3EiSa7nRgUlPw1tZxM",
        title="随访提醒",
        fields={"thing1": "随访事项", "time2": "时间", "thing3": "温馨提示"},
        audience="patient",
        purpose="service",
        uses={"title": "thing1", "time": "time2", "note": "thing3"},
    ),
)
